"""What surrounds the content of every page: its head, its style, its navigation."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

__all__ = ["frame"]


def frame(
    *, title: str, heading: str, lead: str, links: Sequence[tuple[str, str]], body: str
) -> str:
    """Put content into a page.

    Parameters
    ----------
    title, heading, lead : str
        Plain text.
    links : sequence of (address, text)
        Of the navigation; addresses are escaped already.
    body : str
        HTML.

    Returns
    -------
    str
    """
    items = "\n".join(f'<li><a href="{to}">{html.escape(text)}</a></li>' for to, text in links)
    return _PAGE.format(
        title=html.escape(title),
        heading=html.escape(heading),
        lead=html.escape(lead),
        links=items,
        body=body,
    )


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 16px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; color: #222;
  background: #fff }}
a {{ color: #0062a0 }}
main, header {{ max-width: 68rem; margin: 0 auto; padding: 0 1.25rem }}
h1 {{ font-size: 1.6rem; margin: 1.5rem 0 0.25rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.35rem; margin: 0; padding-top: 1rem; overflow-wrap: anywhere }}
/* One line, however many links and however narrow the window, so that what a link leads to can
   stop below it. */
nav {{ position: sticky; top: 0; background: #fff; border-bottom: 1px solid #ddd; z-index: 1 }}
nav ul {{ display: flex; gap: 1.25rem; list-style: none; max-width: 68rem; margin: 0 auto;
  padding: 0.6rem 1.25rem; overflow-x: auto; scrollbar-width: thin; white-space: nowrap }}
section {{ scroll-margin-top: 4.25rem; margin: 1rem 0 3rem; border-top: 2px solid #222 }}
nav + main section:first-child {{ border-top: 0 }}
code {{ font: 0.92em "Liberation Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere }}
.formula {{ margin: 0.4rem 0 }}
.question {{ margin: 0.2rem 0 0; color: #444 }}
.note {{ margin: 0.4rem 0; font-size: 0.85rem; color: #555 }}
details {{ margin: 0.8rem 0 }}
summary {{ cursor: pointer; font-weight: bold; overflow-wrap: anywhere }}
details p {{ max-width: 46rem; margin: 0.6rem 0; font-size: 0.92rem; overflow-wrap: anywhere }}
.facts {{ display: grid; grid-template-columns: fit-content(40%) minmax(0, 1fr);
  gap: 0.15rem 1rem; margin: 0.8rem 0; font-size: 0.92rem }}
.facts dt {{ color: #555; overflow-wrap: anywhere }}
.facts dd {{ margin: 0; overflow-wrap: anywhere }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums }}
th, td {{ padding: 0.3rem 0.9rem 0.3rem 0; text-align: right; white-space: nowrap }}
th {{ font-weight: normal; color: #555; border-bottom: 1px solid #222 }}
td {{ border-bottom: 1px solid #e6e6e6 }}
th:nth-child(-n+2), td:nth-child(-n+2), th:nth-last-child(-n+2), td:nth-last-child(-n+2)
  {{ text-align: left }}
table.fit {{ margin: 0.6rem 0 1rem }}
table.fit caption {{ text-align: left; font-weight: bold }}
table.fit th, table.fit td {{ text-align: right }}
table.fit .name {{ text-align: left }}
table.fit tbody th {{ color: inherit; border-bottom: 1px solid #e6e6e6 }}
figure {{ scroll-margin-top: 4.25rem; margin: 2.25rem 0 }}
figure img {{ display: block; max-width: 100%; height: auto }}
figcaption {{ max-width: 46rem; margin-top: 0.6rem; font-size: 0.92rem; color: #444 }}
.files {{ display: block; margin-top: 0.3rem; color: #666 }}
.sheet {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr));
  gap: 1rem; list-style: none; margin: 1rem 0 0; padding: 0 }}
.sheet a {{ display: block; text-decoration: none }}
.sheet img {{ display: block; width: 100%; height: 10rem; object-fit: contain;
  object-position: left bottom; border-bottom: 1px solid #e6e6e6 }}
.sheet span {{ font-size: 0.85rem; overflow-wrap: anywhere }}
.sheet a:hover span, .sheet a:focus-visible span {{ text-decoration: underline }}
@media print {{ nav {{ display: none }} figure {{ break-inside: avoid }}
  figure img {{ width: auto; max-height: 200mm }} }}
</style>
</head>
<body>
<header>
<h1>{heading}</h1>
<p>{lead}</p>
</header>
<nav aria-label="Pages"><ul>
{links}
</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""
