# SPDX-License-Identifier: BSD-3-Clause
"""What transformations by Gaussian noise share."""

from sktransform.augmentation._draws import normal
from sktransform.augmentation._transformation import Transformation, check_number


class _NoiseTransformation(Transformation):
    """Adds independent noise of up to `max_sd` times the reference's ``"sd"``."""

    inverse_contract = "seeded"
    uses_seeds = True

    def _check(self):
        check_number(self, "max_sd", self.max_sd)

    def _forward(self, X, P, reference, seeds, labels):
        return X + self._noise(X, P, reference, seeds)

    def _inverse(self, X, P, reference, seeds):
        return X - self._noise(X, P, reference, seeds)

    def _noise(self, X, P, reference, seeds):
        drawn = normal(seeds, X.shape[1]).to(X.dtype)
        return drawn.mul_((self.max_sd * P.abs()).to(X.dtype)).mul_(reference["sd"])

    def _describe(self, P):
        return {"noise_sd": self.max_sd * P[:, 0].abs()}
