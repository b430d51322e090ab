# SPDX-License-Identifier: BSD-3-Clause
"""The charts of a map, all that its values depend on."""

import dataclasses
from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values


@dataclass(frozen=True)
class Charts:
    """The charts of a mixture in internal units.

    Parameters
    ----------
    centers : Tensor of shape (n_charts, n_inputs)
        Their centres.

    widths : Tensor of shape (n_charts,)
        Their widths in squared units of the inputs.

    components : Tensor of shape (n_charts, n_outputs, n_inputs)
        Linear part of each.

    offsets : Tensor of shape (n_charts, n_outputs)
        Value of each at its centre.

    log_masses : Tensor of shape (n_charts,), default=None
        Logarithms of their masses. None gives each the mass 1.
    """

    centers: torch.Tensor
    widths: torch.Tensor
    components: torch.Tensor
    offsets: torch.Tensor
    log_masses: torch.Tensor | None = None

    def __len__(self):
        return len(self.widths)

    def state(self):
        """Return the named tensors, without masses if there are none."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def to(self, dtype):
        """Return the same charts in another precision."""
        state = {name: value.to(dtype) for name, value in self.state().items()}
        return Charts(**state)

    def magnified(self, factor):
        """Return charts whose map is a multiple of this one."""
        return dataclasses.replace(
            self, components=factor * self.components, offsets=factor * self.offsets
        )

    def weights(self, Z):
        """Return the charts' weights at rows, shape (n_rows, n_charts)."""
        return gaussian_weights(Z, self.centers, self.widths, self.log_masses)

    def values(self, Z):
        """Return the mixture's values at rows, shape (n_rows, n_outputs)."""
        return mixture_values(
            self.weights(Z), Z, self.centers, self.offsets, self.components
        )


def principal_charts(centers, widths, axes):
    """Return charts whose map is a projection onto axes.

    Parameters
    ----------
    centers : Tensor of shape (n_charts, n_inputs)
        Their centres.

    widths : Tensor of shape (n_charts,)
        Their widths.

    axes : Tensor of shape (n_inputs, n_outputs)
        Orthonormal columns; those of largest variance for PCA.

    Returns
    -------
    Charts
        The charts.
    """
    return Charts(centers, widths, axes.T.expand(len(centers), -1, -1), centers @ axes)
