# SPDX-License-Identifier: BSD-3-Clause
"""The map whose embedded rows imitate the rows' distances, and its decoder."""

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.reduction._fitted_map import FittedMap, map_and_decoder
from sktransform.reduction._majorization import majorize, regress
from sktransform.runtime._linalg import principal_axes


def _principal_start(rows, centers, n_components):
    """Return offsets and components with which the mixture is exactly PCA."""
    axes = principal_axes(rows.Z, n_components, rows.row_weights)
    return centers @ axes, axes.T.expand(len(centers), -1, -1)


def fit_distances(
    rows,
    centers,
    widths,
    n_components,
    *,
    targets=None,
    start_embedding=None,
    ridge,
    **options,
):
    """Fit a map and a decoder to rows in internal units.

    Parameters
    ----------
    rows : InternalRows
        The rows.

    centers : Tensor of shape (n_charts, n_inputs)
        Centres of the charts in internal units.

    widths : Tensor of shape (n_charts,)
        Widths of the charts in squared internal units.

    n_components : int
        Dimensions of the embedding.

    targets : Tensor of shape (n_rows, n_rows), default=None
        Symmetric target distances in internal units. None takes the rows' own.

    start_embedding : Tensor of shape (n_rows, n_components), default=None
        Embedding in internal units; the map nearest to it is where the solver starts
        and towards which the ridge pulls. None takes PCA.

    ridge : float
        Weight of the squared change of the parameters.

    **options
        Limits and the way to stop, see :func:`majorize`.

    Returns
    -------
    FittedMap
        The map, centred and on principal axes, and its decoder.
    """
    weights = gaussian_weights(rows.Z, centers, widths)
    inputs = weights, rows.Z, centers
    if start_embedding is None:
        start = _principal_start(rows, centers, n_components)
    else:
        start = regress(*inputs, start_embedding, rows.row_weights, ridge=ridge)
    if targets is None:
        targets = rows.distances()
    result = majorize(*inputs, start, targets, rows.row_weights, ridge=ridge, **options)
    state, decoder, _ = map_and_decoder(
        rows, centers, widths, result.offsets, result.components
    )
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=result.loss_curve,
        stress=result.stress,
        n_iter=len(result.loss_curve) - 1,
        feature_scale=rows.deviations(),
    )
