"""The report's look and its one script: searching tables."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
* { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 76rem;
       padding: 0 1rem; }
a.skip { position: absolute; left: -999rem; } a.skip:focus { position: static; }
nav ul { columns: 16rem; padding-left: 1.2rem; }
h2 { margin-top: 2.5rem; border-top: 2px solid var(--line); padding-top: 1rem; }
figure { margin: 1.5rem 0 2.5rem; }
figure img { max-width: 100%; height: auto; background: white; padding: .5rem; }
figcaption { max-width: 50rem; }
.scroll { overflow-x: auto; max-height: 40rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem;
         border-bottom: 1px solid var(--line); }
.dense th, .dense td { padding: .15rem .5rem; font-size: .85rem; white-space: nowrap; }
.dense th { position: sticky; top: 0; background: Canvas; }
td small { display: block; opacity: .75; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { font-weight: 600; min-width: 9rem; }
.verdict small { color: CanvasText; font-weight: normal; }
.claims td:first-child { min-width: 20rem; }
.holds { color: #1a7f37; } .fails { color: #c62828; } .undecided { color: #7a6a00; }
@media (prefers-color-scheme: dark) {
  .holds { color: #56d364; } .fails { color: #ff7b72; } .undecided { color: #e3b341; } }
input { font: inherit; padding: .4rem .6rem; width: 100%; max-width: 24rem; margin: .3rem 0 1rem; }
pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--line); font-size: .85rem; }
tr:target, figure:target { outline: 3px solid #4c8bf5; outline-offset: 4px; }
@media (max-width: 45rem) {
  .claims thead { position: absolute; left: -999rem; }
  .claims tr { display: block; padding: .6rem 0; border-bottom: 2px solid; }
  .claims td, .claims td:first-child { display: block; border: 0; padding: .15rem 0;
                                       min-width: 0; }
  .claims td[data-label]::before { content: attr(data-label) ": "; opacity: .7; } }
"""
SCRIPT = """
function search(input) {
  const words = input.value.toLowerCase().split(/\\s+/);
  let shown = 0;
  for (const row of document.querySelectorAll("#" + input.dataset.table + " tbody tr")) {
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    shown += !row.hidden;
  }
  document.getElementById(input.id + "-shown").textContent = shown + " rows";
}
for (const input of document.querySelectorAll("input[type=search]"))
  input.addEventListener("input", () => search(input));
for (const link of document.querySelectorAll("a[data-search]"))
  link.addEventListener("click", () => {
    const input = document.getElementById("find-cells");
    input.value = link.dataset.search;
    search(input);
  });
"""


def searchable(name: str, label: str, placeholder: str, table: str) -> str:
    """Return a table, whose id is ``name``, with a field above it that filters its rows."""
    field = f"find-{name}"
    return f"""<label for="{field}">{label}</label><br>
<input id="{field}" type="search" data-table="{name}" placeholder="{placeholder}">
<p id="{field}-shown" role="status"></p>
{table}"""
