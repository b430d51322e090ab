# SPDX-License-Identifier: BSD-3-Clause
"""The charts of a map, all that its values depend on."""

import dataclasses
from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._trainable_map import TrainableMap


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


def trainable_map(charts):
    """Return the map of charts with its gradient written out.

    Parameters
    ----------
    charts : Charts
        The charts, in the precision in which they are to be trained.

    Returns
    -------
    TrainableMap
        The map, in memory of its own.
    """
    return TrainableMap(
        charts.centers,
        charts.widths,
        charts.components.transpose(0, 1),
        charts.offsets.T,
        charts.log_masses,
    )


def trained_charts(trained):
    """Return the charts of a trained map in double precision.

    Parameters
    ----------
    trained : TrainableMap
        The map.

    Returns
    -------
    Charts
        Its charts; in double precision they share its memory.
    """
    charts = Charts(
        trained.centers,
        trained.log_widths,
        trained.components.transpose(0, 1),
        trained.offsets.T,
        trained.log_masses,
    ).to(torch.float64)
    return dataclasses.replace(charts, widths=charts.widths.exp())
