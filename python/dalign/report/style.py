"""The page's style: light, dark and print; colours that colour-blind readers tell apart (Okabe, Ito)."""

from dalign.vocabulary import ARMS

# A colour for each arm, by its place in the table; on light and on dark paper.
_LIGHT = (
    "#6a737d", "#a0568a", "#0072b2", "#c05000", "#007a5a", "#8a6d00", "#a8123e", "#5146b8", "#5c3a21",
)  # fmt: skip
_DARK = (
    "#a8b0b9", "#dd9fc8", "#62b5ec", "#f59a4a", "#3cc79c", "#d9b84a", "#ff8fa3", "#b3a6ff", "#d8b79c",
)  # fmt: skip

_STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --soft: #59636e; --rule: #d5dae0;
  --link: #0b5cad; --good: #00664f; --bad: #a33c00; --bar: #6b93bd; --warn: #fff6dd; --warn-rule: #b98900;
  /* light */ }
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --panel: #1d2126; --ink: #e8eaed; --soft: #a3acb6; --rule: #3a4149;
  --link: #7ab8f5; --good: #4fd1a5; --bad: #ff9d5c; --bar: #4f7fb0; --warn: #2e2710; --warn-rule: #d3a62a;
  /* dark */ } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 5rem; max-width: 1100px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; margin: 0; line-height: 1.25; }
h2 { font-size: 1.3rem; margin: 3.5rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 2rem 0 0.5rem; }
h4 { font-size: 0.95rem; margin: 0 0 0.4rem; }
p { margin: 0.5rem 0; max-width: 90ch; }
a { color: var(--link); }
nav { margin: 1rem 0 0; font-size: 0.9rem; }
nav a { margin-right: 1.1rem; white-space: nowrap; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.86em; }
small, .note, figcaption, caption { color: var(--soft); }
small { display: block; font-size: 0.8rem; font-weight: 400; }
.note { font-size: 0.88rem; }
.num { font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-size: 1.35rem; line-height: 1.4; font-weight: 600; margin: 1.5rem 0 0.25rem; max-width: none; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1.25rem; margin: 1.25rem 0; }
.card { background: var(--panel); border: 1px solid var(--rule); border-radius: 10px; padding: 1.1rem 1.25rem; }
.card h3 { margin: 0; font-size: 1.1rem; }
.card p { margin: 0.3rem 0; }
.big { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0.6rem; padding: 0.5rem 0; }
.big .value { font-size: 1.75rem; line-height: 1.2; font-weight: 650; text-decoration: none; color: var(--ink); white-space: nowrap; }
.big .before .value { color: var(--soft); font-weight: 500; }
.big .value:hover { text-decoration: underline; }
.arrow { font-size: 1.5rem; line-height: 1.4; color: var(--soft); }
.other { font-size: 0.92rem; }
.badge { font-size: 0.82rem; font-weight: 600; white-space: nowrap; }
.better { color: var(--good); } .worse { color: var(--bad); } .unclear, .unknown { color: var(--soft); }
.alarms { border: 3px solid var(--bad); border-radius: 10px; padding: 0.8rem 1.25rem; margin: 1.5rem 0; font-weight: 600; }
.alarms h2 { border: 0; margin: 0; padding: 0; color: var(--bad); }
.alarms ul { margin: 0.4rem 0; padding-left: 1.2rem; }
.warnings { background: var(--warn); border: 1px solid var(--warn-rule); border-radius: 10px; padding: 0.8rem 1.25rem; margin: 1.5rem 0; }
.warnings h2 { border: 0; margin: 0; padding: 0; font-size: 1.05rem; }
.warnings ul { margin: 0.4rem 0; padding-left: 1.2rem; }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; }
caption { text-align: left; font-weight: 600; color: var(--ink); padding-bottom: 0.4rem; }
th, td { text-align: left; padding: 0.4rem 0.6rem; border-bottom: 1px solid var(--rule); vertical-align: top; font-weight: 400; }
thead th, thead th.num { font-weight: 600; vertical-align: bottom; white-space: normal; }
td.num, td.num small { white-space: nowrap; }
thead code { display: block; font-weight: 400; color: var(--soft); }
td.num, th.num { text-align: right; }
.line { display: block; white-space: nowrap; }
th.group { border-left: 1px solid var(--rule); }
tbody th { font-weight: 600; white-space: nowrap; }
td.missing { color: var(--soft); font-style: italic; }
.best { margin-right: 0.4rem; font-weight: 600; color: var(--good); }
.key { display: inline-block; width: 0.7rem; height: 0.7rem; margin-right: 0.5rem; border-radius: 50%; background: currentColor; }
.definitions { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1.5rem; font-size: 0.88rem; margin: 1rem 0; }
.definitions ul { margin: 0; padding-left: 1.1rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.25rem 1.5rem; }
.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1.5rem; align-items: start; }
figure { margin: 0.75rem 0; }
figcaption { font-size: 0.9rem; margin-bottom: 0.3rem; } figcaption b { color: var(--ink); }
svg { display: block; width: 100%; height: auto; font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
svg text { fill: var(--ink); } svg .tick { fill: var(--soft); font-size: 11.5px; } svg .head { font-weight: 600; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .bar { fill: var(--bar); }
/* arms */ .arm-other { color: var(--ink); }
.whisker { stroke: currentColor; stroke-width: 2; } .dot { fill: currentColor; stroke: currentColor; stroke-width: 2; } .hollow { fill: var(--paper); }
.curve { fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linejoin: round; } .raw circle { fill: currentColor; opacity: 0.28; }
.lead { stroke: currentColor; opacity: 0.6; } svg .end { fill: currentColor; font-weight: 600; }
.dash .curve { stroke-dasharray: 7 4; } .dots .curve { stroke-dasharray: 2 4; }
.line-0 { color: var(--c3); } .line-1 { color: var(--c2); } .line-2 { color: var(--c1); }
details { border: 1px solid var(--rule); border-radius: 8px; padding: 0.5rem 0.9rem; margin: 0.6rem 0; }
summary { cursor: pointer; }
details h4 { margin-top: 1rem; }
pre { background: var(--panel); border-radius: 6px; padding: 0.7rem 0.9rem; margin: 0.4rem 0; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.untrusted { unicode-bidi: isolate; border-left: 3px solid var(--rule); contain: content; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.35rem 1.25rem; font-size: 0.92rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.5rem; } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } nav { display: none; } table { font-size: 8pt; }
  small { font-size: 7.5pt; } th, td { padding: 0.25rem 0.35rem; } .scroll { overflow: visible; }
  figure, tr, .card { break-inside: avoid; } h2, h3 { break-after: avoid; } a { color: inherit; text-decoration: none; } }
"""


def _colours(colours: tuple[str, ...]) -> str:
    return " ".join(f"--c{nth}: {colour};" for nth, colour in enumerate(colours))


# More arms than colours take them in turn.
_ARMS = " ".join(
    f".arm-{nth} {{ color: var(--c{nth % len(_LIGHT)}); }}" for nth, _ in enumerate(ARMS)
)
STYLE = (
    _STYLE.replace("/* light */", _colours(_LIGHT))
    .replace("/* dark */", _colours(_DARK))
    .replace("/* arms */", _ARMS)
)
