# SPDX-License-Identifier: BSD-3-Clause
"""Default sets of transformations, chosen by the kinds of the columns."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import rankdata

from sktransform.augmentation._tabular.columns import CATEGORICAL, NUMERIC, ColumnTable
from sktransform.augmentation.transforms._base import Transformation
from sktransform.augmentation.transforms._image_geometry import (
    ImageFlip,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
)
from sktransform.augmentation.transforms._image_intensity import ImageNoise
from sktransform.augmentation.transforms._mixing import (
    ClassCutMix,
    ClassMixup,
    MarginalSwap,
)
from sktransform.augmentation.transforms._numeric import GaussianNoise, Scale
from sktransform.augmentation.transforms._series import (
    SeriesCrop,
    SeriesJitter,
    SeriesPadShift,
    SeriesRoll,
    SmoothWarp,
)

# Columns of one group: an absolute rank correlation of about .6 and more.
_CUT = 0.4
_MOST_GROUPS = 14

# Share of an image's side, and of a series' length, by which it may move.
_MOVE = 2 / 7
_SERIES_MOVE = 0.1


def default_transformations(
    rows: ArrayLike, columns: ColumnTable, *, labelled: bool = True
) -> tuple[Transformation, ...]:
    """Return transformations chosen by the kinds of the columns.

    The ranges are wide on purpose: a learned policy reduces them, or rejects
    transformations that change labels.

    Parameters
    ----------
    rows : array-like or Tensor of shape (n_samples, n_features)
        Training rows; NaN is a missing cell.

    columns : ColumnTable
        The columns of the table. Rows are images if their `shape` has two or three
        axes, series if it has one, and rows of a table if it is None.

    labelled : bool, default=True
        Whether there are classes, so that transformations that mix rows of one class
        are included.

    Returns
    -------
    tuple of Transformation
        For a table, numeric columns are grouped by average linkage on one minus their
        absolute rank correlation, cut at 0.4; each categorical column is a group; there
        are at most 14 groups. Each numeric group has noise and scaling, unless all of
        its values are frequent values; each group has a joint swap; and all columns
        have mixup, mixup with neighbours and cutmix within classes. For images:
        translations, rotation, zoom, shear, flips and noise. For series: shifts, crops,
        jitter and warps.

    See Also
    --------
    Transformation : Base class of the transformations.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation.transforms import (
    ...     ColumnTable,
    ...     default_transformations,
    ... )
    >>> images = np.random.RandomState(0).rand(10, 64)
    >>> columns = ColumnTable.from_arrays(images, shape=(8, 8))
    >>> len(default_transformations(images, columns))
    8
    """
    if columns.shape is None:
        return _of_tables(rows, columns, labelled)
    chosen = _of_series if len(columns.shape) == 1 else _of_images
    return chosen(columns.shape)


def bound_transformations(chosen, rows, columns, X, *, labelled):
    """Return transformations bound to columns, the default ones where asked for."""
    if isinstance(chosen, str):
        chosen = default_transformations(rows, columns, labelled=labelled)
    for each in chosen:
        if not isinstance(each, Transformation):
            raise ValueError(
                "transformations must be 'default' or a list of Transformation, got "
                f"a list with {each!r}."
            )
    return tuple(each.bind(columns, X) for each in chosen)


def _of_tables(rows, columns, labelled):
    numeric, coded = column_groups(rows, columns)
    chosen = []
    movable = _movable(rows, columns)
    for group in numeric:
        if movable[list(group)].any():
            chosen += [GaussianNoise(group), Scale(group)]
        chosen.append(MarginalSwap(group))
    chosen += [MarginalSwap(group) for group in coded]
    if labelled and numeric:
        chosen += [ClassMixup(), ClassMixup(n_neighbors=5)]
    if labelled and numeric + coded:
        chosen.append(ClassCutMix(numeric + coded))
    return tuple(each.bind(columns) for each in chosen)


def _movable(rows, columns):
    """Return which columns have values of a small share, which noise may move."""
    rows = np.asarray(rows.cpu() if isinstance(rows, torch.Tensor) else rows)
    fixed = np.isnan(rows)
    for values in columns.atoms:
        fixed |= rows == values.astype(rows.dtype)
    return ~fixed.all(0)


def _of_images(shape):
    height, width = shape[:2]
    return (
        ImageTranslate(axis="x", max_pixels=max(1, round(_MOVE * width))),
        ImageTranslate(axis="y", max_pixels=max(1, round(_MOVE * height))),
        ImageRotate(max_degrees=90.0),
        ImageZoom(max_log=0.3),
        ImageShear(max_slope=0.5),
        ImageFlip(axis="x"),
        ImageFlip(axis="y"),
        ImageNoise(),
    )


def _of_series(shape):
    (length,) = shape
    return (
        SeriesRoll(max_samples=max(1, round(length / 2))),
        SeriesPadShift(max_samples=max(1, round(_SERIES_MOVE * length))),
        SeriesCrop(),
        SeriesJitter(),
        Scale(),
        SmoothWarp(
            kind="time",
            max_strength=max(1, round(_SERIES_MOVE / 2 * length)),
            length_scale=max(2, length / 8),
        ),
        SmoothWarp(kind="magnitude", max_strength=0.3, length_scale=max(2, length / 8)),
    )


def column_groups(rows, columns):
    """Return groups of numeric columns that go together, and of coded columns."""
    coded = [tuple(block) for block in columns.blocks]
    in_block = {j for block in coded for j in block}
    coded += [(j,) for j in columns.of_kinds(CATEGORICAL) if j not in in_block]
    # Neighbours are joined where there are too many categories for groups of their own.
    most_coded = _MOST_GROUPS // 2 if columns.of_kinds(NUMERIC) else _MOST_GROUPS
    if len(coded) > max(most_coded, _MOST_GROUPS - 2):
        parts = np.array_split(np.arange(len(coded)), most_coded)
        coded = [tuple(j for i in part for j in coded[i]) for part in parts]
    numeric = [j for j in columns.of_kinds(NUMERIC) if columns.sd[j] > 0]
    if isinstance(rows, torch.Tensor):
        rows = rows.cpu().numpy()
    cells = np.asarray(rows, dtype=np.float64)[:, numeric]
    return _clusters(cells, numeric, _MOST_GROUPS - len(coded)), coded


def _clusters(cells, indices, most):
    """Return columns clustered by their absolute rank correlation."""
    if len(indices) < 2:
        return [tuple(indices)] if indices else []
    ranks = rankdata(cells, axis=0, nan_policy="omit")
    middle = np.nanmean(ranks, axis=0)
    ranks = np.where(np.isnan(ranks), middle, ranks) - middle
    norms = np.sqrt(np.square(ranks).sum(0))
    ranks /= np.where(norms > 0, norms, 1)
    distance = np.clip(1 - np.abs(ranks.T @ ranks), 0, None)
    tree = linkage(distance[np.triu_indices(len(indices), 1)], "average")
    labels = fcluster(tree, _CUT, "distance")
    if labels.max() > most:
        labels = fcluster(tree, max(2, most), "maxclust")
    return [
        tuple(j for j, own in zip(indices, labels, strict=True) if own == label)
        for label in range(1, labels.max() + 1)
    ]
