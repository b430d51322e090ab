# SPDX-License-Identifier: BSD-3-Clause
"""What an augmenter has learned, as a table."""

import numpy as np
import torch


def range_report(augmenter):
    """Return a data frame with a row for each transformation."""
    import pandas as pd

    return pd.DataFrame(
        {
            "transformation": augmenter.names_,
            "status": augmenter.status_,
            "range": augmenter.range_,
            "up to": [
                natural_range(transformation, scale)
                for transformation, scale in zip(
                    augmenter.transformations_, augmenter.range_, strict=True
                )
            ],
            "active": augmenter.active_,
            "excess": augmenter.excess_,
            "excess_se": augmenter.excess_se_,
        }
    )


def natural_range(transformation, scale):
    """Return in words how far a transformation may go, in natural units."""
    if scale == 0:
        return "-"
    if transformation.discrete:
        return "all"
    end = torch.full((1, transformation.n_parameters), float(scale))
    parts = []
    for name, values in transformation.describe(end).items():
        value = np.asarray(values).ravel()[0]
        is_number = np.issubdtype(np.asarray(value).dtype, np.number)
        parts.append(f"{name} {value:.3g}" if is_number else f"{name} {value}")
    return ", ".join(parts)
