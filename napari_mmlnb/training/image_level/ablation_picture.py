"""The arms of an ablation as a picture: a point and a line each."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from xml.sax.saxutils import escape

from napari_mmlnb.training.comparison import Estimate

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 760, 330, 70, 50, 34
_INK, _FAINT, _POINT = "#222222", "#DDDDDD", "#0077BB"


def write_picture(path: Path, title: str, rows: Mapping[str, Estimate]) -> None:
    """Write an SVG: one row an estimate, on an axis from 0 to 1; no line where there is no interval."""
    bottom = _TOP + _ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 40}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{bottom + 40}" fill="white"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{_FAINT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{tenth / 10:.1f}</text>')
    for number, (name, one) in enumerate(rows.items()):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(f'<text x="16" y="{y + 4:.1f}">{escape(name)}</text>')
        if isfinite(one.interval.low):
            low, high = _x(one.interval.low), _x(one.interval.high)
            parts.append(
                f'<line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}" stroke="{_POINT}" stroke-width="3"/>'
            )
        if isfinite(one.mean):
            parts.append(f'<circle cx="{_x(one.mean):.1f}" cy="{y:.1f}" r="5" fill="{_POINT}"/>')
            parts.append(f'<text x="{_WIDTH - _RIGHT + 16}" y="{y + 4:.1f}">{one.mean:.3f}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _x(value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(value, 0.0), 1.0)
