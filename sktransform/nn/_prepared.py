# SPDX-License-Identifier: BSD-3-Clause
"""Prepared map: the values of a fitted mixture in as few products as possible."""

import copy

import torch

from sktransform.nn._products import padded_columns


class PreparedMap:
    """Map rows as a `GaussianWeightedMap`, with precomputed row-independent terms.

    The results are those of the module up to rounding, from copies of its tensors. A
    single row is mapped several times faster, see
    ``examples/benchmarks/mixture_forms.py``.
    """

    @torch.no_grad()
    def __init__(self, module):
        self._n_charts, self._n_outputs, self._n_inputs = module.components.shape
        self._mean = module.mean.clone()
        self._projection = None
        if module.projection is not None:
            self._projection = padded_columns(module.projection)
        centers, components = module.centers, module.components
        constants = module.offsets - torch.einsum("mqr,mr->mq", components, centers)
        # One product for the charts' squared distances and for what each of them says.
        slopes = components.transpose(0, 1).flatten(0, 1)
        self._matrix = padded_columns(torch.cat([-2 * centers, slopes]).T)
        shift = torch.cat([centers.square().sum(1), constants.T.reshape(-1)])
        self._shift = padded_columns(shift[None])[0]
        self._negative_widths = -module.widths
        self._log_masses = None
        if module.log_masses is not None:
            self._log_masses = module.log_masses.clone()
        self._affine = copy.deepcopy(module.affine)

    def inputs(self, X):
        """Return centred and projected rows, shape (n_rows, n_inputs)."""
        Z = X - self._mean
        if self._projection is None:
            return Z
        return (Z @ self._projection)[:, : self._n_inputs]

    def values(self, Z):
        """Return the mixture's values at centred and projected rows.

        Shapes (n_rows, n_inputs) and (n_rows, n_outputs); an affine map is not added.
        """
        products = torch.addmm(self._shift, Z, self._matrix)
        n_used = self._n_charts * (1 + self._n_outputs)
        logits = products[:, : self._n_charts]
        local = products[:, self._n_charts : n_used]
        squared_norms = Z.square().sum(1, keepdim=True)
        logits.add_(squared_norms).clamp_min_(0).div_(self._negative_widths)
        if self._log_masses is not None:
            logits.add_(self._log_masses)
        weights = torch.softmax(logits, 1).unsqueeze(1)
        local = local.unflatten(1, (self._n_outputs, self._n_charts))
        return (local * weights).sum(2)

    def __call__(self, X):
        """Return the mapped rows, shape (n_rows, n_outputs)."""
        values = self.values(self.inputs(X))
        return values if self._affine is None else self._affine(X) + values
