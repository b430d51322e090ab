# SPDX-License-Identifier: BSD-3-Clause
"""The map whose embedded rows imitate the rows' distances, and its decoder."""

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.reduction._charts import Charts, principal_charts
from sktransform.reduction._continuation import nearest_parameters
from sktransform.reduction._fitted_map import FittedMap, map_and_decoder
from sktransform.reduction._majorization import majorize, regress
from sktransform.runtime._linalg import principal_axes


def centred_axes(rows, n_components):
    """Return the rows' axes of largest variance, in any frame.

    Parameters
    ----------
    rows : InternalRows
        The rows.

    n_components : int
        Number of axes.

    Returns
    -------
    Tensor of shape (n_inputs, n_components)
        Orthonormal columns.
    """
    Z = rows.Z
    if rows.drift is not None:
        Z = Z - rows.row_weights @ Z / rows.row_weights.sum()
    return principal_axes(Z, n_components, rows.row_weights)


def fit_distances(
    rows,
    centers,
    widths,
    n_components,
    *,
    targets=None,
    start_embedding=None,
    present=None,
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

    present : Charts, default=None
        Charts of a map at which the solver starts instead; the ridge pulls as it does
        without them. The first centres and the first widths are theirs.

    ridge : float
        Weight of the squared change of the parameters.

    **options
        Limits and the way to stop, see :func:`majorize`.

    Returns
    -------
    FittedMap
        The map, centred and on principal axes or those of the present one, and its
        decoder.
    """
    weights = gaussian_weights(rows.Z, centers, widths)
    inputs = weights, rows.Z, centers
    if start_embedding is None:
        axes = centred_axes(rows, n_components)
        charts = principal_charts(centers, widths, axes)
        origin = charts.offsets, charts.components
    else:
        origin = regress(*inputs, start_embedding, rows.row_weights, ridge=ridge)
    if targets is None:
        targets = rows.distances()
    initial = None
    if present is not None:
        initial = nearest_parameters(
            present, *inputs, origin, rows.row_weights, ridge=ridge
        )
    result = majorize(
        *inputs,
        origin,
        targets,
        rows.row_weights,
        initial=initial,
        ridge=ridge,
        **options,
    )
    charts = Charts(centers, widths, result.components, result.offsets)
    state, decoder, _ = map_and_decoder(rows, charts, present)
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=result.loss_curve,
        stress=result.stress,
        n_iter=len(result.loss_curve) - 1,
        feature_scale=rows.deviations(),
        continuation={"input_unit": rows.unit.item(), "output_unit": rows.unit.item()},
    )
