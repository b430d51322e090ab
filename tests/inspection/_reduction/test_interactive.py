# SPDX-License-Identifier: BSD-3-Clause
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from sktransform.inspection._reduction.interactive import row_labels, write_html

pytest.importorskip("plotly")

# A label that would be markup, or end the script that holds it, if it were not escaped.
CLASSES = np.array(["plain", "<b>bold</b> & more", "</script><i>end"])
NAMES = ["a", "b<c", "long name", "d", "e", "f", "g"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# Points the mouse at a row and writes what the page then says into the page.
POINT_AT_A_ROW = """<script>
window.addEventListener("load", () => {
  const page = document.getElementById("embedding");
  const {xaxis, yaxis} = page._fullLayout;
  const trace = page._fullData[TRACE];
  const box = page.getBoundingClientRect();
  const mouse = new MouseEvent("mousemove", {
    clientX: box.left + xaxis._offset + xaxis.d2p(trace.x[INDEX]),
    clientY: box.top + yaxis._offset + yaxis.d2p(trace.y[INDEX]),
    bubbles: true,
  });
  page.querySelector(".nsewdrag").dispatchEvent(mouse);
  setTimeout(() => {
    const lines = page.querySelectorAll(".hoverlayer .hovertext tspan.line");
    const heard = document.createElement("pre");
    heard.id = "heard";
    heard.textContent = Array.from(lines, (line) => line.textContent).join("|");
    const buttons = document.createElement("pre");
    buttons.id = "buttons";
    buttons.textContent = Array.from(page.querySelectorAll(".modebar-btn"),
      (button) => button.dataset.title).join("|");
    document.body.append(heard, buttons);
  }, 500);
});
</script></body>
"""


class _Loads(HTMLParser):
    """Gather what the tags of a page make a browser load."""

    def __init__(self):
        super().__init__()
        self.sources, self.n_scripts = [], 0

    def handle_starttag(self, tag, attrs):
        self.n_scripts += tag == "script"
        self.sources += [value for name, value in attrs if name in {"src", "href"}]


def _arrays(n_rows=60):
    generator = np.random.default_rng(0)
    return {
        "embedding": generator.normal(size=(n_rows, 3)),
        "target": CLASSES[np.arange(n_rows) % 3],
        "centers": generator.normal(size=(4, 3)),
        "distortion": generator.uniform(size=n_rows),
        "influence": generator.uniform(size=(n_rows, 7)),
        "feature_names": NAMES,
    }


def _figure(path):
    """Return the traces and the layout that a page draws."""
    text = path.read_text(encoding="utf-8")
    call = text[text.rindex("Plotly.newPlot(") :]
    decoder = json.JSONDecoder()
    traces, end = decoder.raw_decode(call, call.index("[", call.index('"embedding"')))
    layout, _ = decoder.raw_decode(call, call.index("{", end))
    return traces, layout


def test_a_page_loads_nothing_from_anywhere(tmp_path):
    path = write_html(tmp_path / "page.html", **_arrays())
    loads = _Loads()
    loads.feed(path.read_text(encoding="utf-8"))
    assert loads.n_scripts >= 2
    assert loads.sources == ["data:,"]


def test_labels_tell_class_row_distortion_and_the_five_largest_influences():
    arrays = _arrays()
    names = ("target", "distortion", "influence", "feature_names")
    labels = row_labels(60, *(arrays[name] for name in names))
    influence = arrays["influence"]
    for row, label in enumerate(labels):
        first, distortion, heading, *features = label.split("<br>")
        assert first == f"<b>{html.escape(CLASSES[row % 3])}</b> (row {row})"
        assert distortion == f"distortion {arrays['distortion'][row]:.3g}"
        assert heading == "most influential features"
        largest = np.argsort(-influence[row])[:5]
        assert features == [
            f"  {html.escape(NAMES[feature])} {influence[row, feature]:.3g}"
            for feature in largest
        ]


def test_labels_tell_only_what_is_known():
    assert row_labels(2, None, None, None, None) == ["row 0", "row 1"]
    numbers = row_labels(2, np.array([0.5, 1.23456]), None, None, None)
    assert numbers == ["<b>0.5</b> (row 0)", "<b>1.235</b> (row 1)"]
    (unnamed,) = row_labels(1, None, None, np.array([[1.0, 2.0]]), None)
    assert unnamed.split("<br>")[2:] == ["  x1 2", "  x0 1"]


def test_every_row_is_in_the_trace_of_its_class_with_its_label(tmp_path):
    arrays = _arrays()
    path = write_html(tmp_path / "page.html", **arrays, components=(2, 0))
    *traces, centers = _figure(path)[0]
    names = ("target", "distortion", "influence", "feature_names")
    labels = np.array(row_labels(60, *(arrays[name] for name in names)))
    for trace, name in zip(traces, np.unique(CLASSES), strict=True):
        rows = arrays["target"] == name
        assert trace["name"] == html.escape(name)
        assert trace["hovertext"] == list(labels[rows])
    symbols = {trace["marker"]["symbol"] for trace in traces}
    colors = [trace["marker"]["color"] for trace in traces]
    assert symbols == {"circle"}
    assert colors == ["#0072B2", "#E69F00", "#009E73"]
    assert centers["hovertext"] == ["chart 0", "chart 1", "chart 2", "chart 3"]


def test_a_numeric_target_has_a_scale_and_no_target_one_colour(tmp_path):
    embedding = _arrays()["embedding"]
    target = np.linspace(0, 1, 60) ** 2
    path = write_html(tmp_path / "page.html", embedding, target=target)
    (trace,), layout = _figure(path)
    assert trace["marker"]["showscale"]
    assert layout["yaxis"]["scaleanchor"] == "x"
    (trace,), _ = _figure(write_html(tmp_path / "page.html", embedding))
    assert trace["marker"]["color"] == "#0072B2"


def test_many_rows_are_drawn_by_webgl(tmp_path):
    embedding = np.random.default_rng(0).normal(size=(5001, 2))
    path = write_html(tmp_path / "page.html", embedding)
    assert _figure(path)[0][0]["type"] == "scattergl"
    path = write_html(tmp_path / "page.html", embedding[:5000])
    assert _figure(path)[0][0]["type"] == "scatter"


def test_equal_data_make_equal_files(tmp_path):
    first = write_html(tmp_path / "first.html", **_arrays())
    second = write_html(str(tmp_path / "second.html"), **_arrays())
    assert first.read_bytes() == second.read_bytes()


def test_the_title_is_text(tmp_path):
    embedding = _arrays()["embedding"]
    path = write_html(tmp_path / "page.html", embedding, title="<Wine> {0}")
    assert "<title>&lt;Wine&gt; {0}</title>" in path.read_text(encoding="utf-8")


def test_without_plotly_the_error_names_the_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"pip install 'sktransform\[interactive\]'"):
        write_html(tmp_path / "page.html", _arrays()["embedding"])


@pytest.mark.parametrize("n_rows", [60, 6000])
def test_a_browser_shows_the_label_of_the_row_under_the_mouse(tmp_path, n_rows):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser, one of {', '.join(BROWSERS)}")
    arrays = _arrays(n_rows)
    # A row that lies apart, so that no other one can be meant.
    row = 30
    arrays["embedding"][row] = 9
    path = write_html(tmp_path / "page.html", **arrays)
    traces, _ = _figure(path)
    label = row_labels(
        n_rows,
        *(arrays[name] for name in ("target", "distortion", "influence")),
        NAMES,
    )[row]
    trace = next(i for i, t in enumerate(traces) if label in t["hovertext"])
    index = traces[trace]["hovertext"].index(label)
    script = POINT_AT_A_ROW.replace("TRACE", str(trace)).replace("INDEX", str(index))
    text = path.read_text(encoding="utf-8")
    head, tail = text.rsplit("</body>", 1)
    path.write_text(head + script + tail, encoding="utf-8")
    page = _open_in(browser, path, tmp_path / "profile")
    heard = html.unescape(re.search(r'<pre id="heard">(.*?)</pre>', page)[1])
    expected = [re.sub("</?b>", "", line) for line in label.split("<br>")]
    assert heard.split("|") == [html.unescape(line) for line in expected]
    buttons = re.search(r'<pre id="buttons">(.*?)</pre>', page)[1]
    assert "Zoom" in buttons
    assert "Share" not in buttons


def _open_in(browser, path, profile):
    """Return the document that a browser makes of a page, without a network."""
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1000,800",
        "--virtual-time-budget=5000",
        f"--user-data-dir={profile}",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(
        command, capture_output=True, check=True, timeout=120, encoding="utf-8"
    )
    return done.stdout
