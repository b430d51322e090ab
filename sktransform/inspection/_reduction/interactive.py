# SPDX-License-Identifier: BSD-3-Clause
"""Interactive page of an embedding, with details under the pointer."""

import html
from pathlib import Path

import numpy as np

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import is_numeric_target

# What plotly calls the palette's markers.
_SYMBOLS = {
    "o": "circle",
    "^": "triangle-up",
    "s": "square",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "*": "star",
    "X": "x",
}

# Browsers draw more rows than this quickly only by WebGL.
_MOST_VECTOR_ROWS = 5000

# Most influential features that a row's label names.
_NAMED_FEATURES = 5

# The file is the reader's own: no button that sends it to plotly's server.
_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": True,
    "showSendToCloud": False,
}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>body {{ margin: 0; }}</style>
</head>
<body>
{figure}
</body>
</html>
"""


def write_html(
    path,
    embedding,
    *,
    target=None,
    centers=None,
    distortion=None,
    influence=None,
    feature_names=None,
    components=(0, 1),
    title="Embedding",
):
    """Write an embedding as one HTML file that needs no network.

    `embedding`: the embedded rows, of at least two components.
    `distortion`: distortion of each row, told in its label.
    `influence`: influence of each feature at each row; the largest are told in its
      label.
    `feature_names`: names of the features that influences belong to.
    `components`: the embedding's columns on the horizontal and the vertical axis.
    `title`: title of the page, which browsers show on its tab.

    Shapes: embedding (n_samples, n_components), target (n_samples,), centers (n_charts,
    n_components), distortion (n_samples,), influence (n_samples, n_features).
    """
    try:
        from plotly import graph_objects
    except ImportError as error:
        raise ImportError(
            "Interactive pages need plotly: pip install 'sktransform[interactive]'."
        ) from error
    components = list(components)
    labels = row_labels(len(embedding), target, distortion, influence, feature_names)
    traces = _row_traces(embedding[:, components], target, labels)
    if centers is not None:
        traces.append(_center_trace(centers[:, components]))
    figure = graph_objects.Figure(traces, _layout(components))
    division = figure.to_html(
        config=_CONFIG,
        full_html=False,
        include_plotlyjs=True,
        # A fixed name instead of a random one: equal data make equal files.
        div_id="embedding",
        default_height="100vh",
    )
    path = Path(path)
    page = _PAGE.format(title=html.escape(title), figure=division)
    path.write_text(page, encoding="utf-8")
    return path


def row_labels(n_rows, target, distortion, influence, feature_names):
    """Return the text of a row under the pointer, as plotly's subset of HTML.

    Shapes: target (n_rows,), distortion (n_rows,), influence (n_rows, n_features).
    """
    labels = [[f"row {row}"] for row in range(n_rows)]
    if target is not None:
        is_numeric = is_numeric_target(target)
        for label, value in zip(labels, target, strict=True):
            text = f"{value:.4g}" if is_numeric else html.escape(str(value))
            label[0] = f"<b>{text}</b> ({label[0]})"
    if distortion is not None:
        for label, value in zip(labels, distortion, strict=True):
            label.append(f"distortion {value:.3g}")
    if influence is not None:
        if feature_names is None:
            feature_names = [f"x{index}" for index in range(influence.shape[1])]
        names = [html.escape(str(name)) for name in feature_names]
        order = np.argsort(-influence, axis=1, kind="stable")[:, :_NAMED_FEATURES]
        for label, features, values in zip(labels, order, influence, strict=True):
            label.append("most influential features")
            label += [f"  {names[index]} {values[index]:.3g}" for index in features]
    return ["<br>".join(label) for label in labels]


def _row_traces(points, target, labels):
    """Return the rows as plotly's traces: one for each class, or one for all."""
    kind = "scatter" if len(points) <= _MOST_VECTOR_ROWS else "scattergl"
    labels = np.array(labels, dtype=object)

    def trace(rows, marker, **keywords):
        return {
            "type": kind,
            "mode": "markers",
            "x": points[rows, 0],
            "y": points[rows, 1],
            "hovertext": labels[rows],
            "hoverinfo": "text",
            "marker": {"size": 7, "opacity": 0.8, "line": {"width": 0}, **marker},
            **keywords,
        }

    everything = slice(None)
    if target is None:
        color, _ = class_style(0)
        return [trace(everything, {"color": color}, name="rows")]
    if is_numeric_target(target):
        scale = {"colorscale": "Viridis", "showscale": True, "color": target}
        # Below the legend, which names the centres.
        scale["colorbar"] = {"y": 0, "yanchor": "bottom", "len": 0.9}
        return [trace(everything, scale, name="rows", showlegend=False)]
    traces = []
    for index, name in enumerate(np.unique(target)):
        color, marker = class_style(index)
        style = {"color": color, "symbol": _SYMBOLS[marker]}
        name_shown = {"name": html.escape(str(name)), "showlegend": True}
        traces.append(trace(target == name, style, **name_shown))
    return traces


def _center_trace(centers):
    """Return the charts' centres as a trace of plotly, to be switched on."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": centers[:, 0],
        "y": centers[:, 1],
        "name": "charts' centres",
        "hovertext": [f"chart {index}" for index in range(len(centers))],
        "hoverinfo": "text",
        "marker": {"symbol": "circle-open", "size": 10, "color": "black"},
        # They would take the mouse from the rows beneath them.
        "visible": "legendonly",
    }


def _layout(components):
    """Return plotly's layout of the page."""
    axis = {"zeroline": False, "ticks": "outside"}
    first, second = components
    return {
        "template": "plotly_white",
        "xaxis": {**axis, "title": {"text": f"component {first}"}},
        # One unit is the same length on both axes, because distances are shown.
        "yaxis": {
            **axis,
            "title": {"text": f"component {second}"},
            "scaleanchor": "x",
            "scaleratio": 1,
        },
        "dragmode": "pan",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": "black"}},
        "legend": {"itemsizing": "constant"},
        "margin": {"l": 60, "r": 20, "t": 40, "b": 60},
    }
