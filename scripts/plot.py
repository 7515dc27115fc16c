"""A plot of means with their standard errors, as SVG."""

WIDE, HIGH, LEFT, TOP, BOTTOM = 720, 440, 70, 20, 50
COLOURS = ("#b3261e", "#1d4ed8", "#0e7490", "#15803d", "#7c3aed", "#b45309")


def axis(numbers, start, end):
    """Where a number is drawn, and the least and the greatest that are."""
    low, high = min(numbers), max(numbers)
    room = 0.2 * (high - low) or 1.0
    low, high = low - room, high + room
    return (lambda number: start + (number - low) / (high - low) * (end - start)), low, high


def text(x, y, words, **attributes):
    spelled = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{spelled}>{words}</text>'


def plot(series, across_title, down_title, across_unit=1.0):
    """`series`: for each name a list of points `(label, x, y, error of x, error of y)`, joined by a line in their order."""
    points = [point for line in series.values() for point in line]
    across, x_low, x_high = axis([x for _, x, *_ in points], LEFT, WIDE - 20)
    down, y_low, y_high = axis([y for _, _, y, *_ in points], HIGH - BOTTOM, TOP)
    floor, middle = HIGH - BOTTOM, (TOP + HIGH - BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/>',
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDE - 20}" fill="none" stroke="#888"/>',
    ]
    for tick in range(5):
        x, y = x_low + tick / 4 * (x_high - x_low), y_low + tick / 4 * (y_high - y_low)
        parts.append(text(across(x), floor + 18, f"{across_unit * x:.1f}", text_anchor="middle", fill="#555"))
        parts.append(text(LEFT - 8, down(y) + 4, f"{y:.1f}", text_anchor="end", fill="#555"))
    parts.append(text((LEFT + WIDE) / 2, HIGH - 10, across_title, text_anchor="middle"))
    parts.append(text(18, middle, down_title, text_anchor="middle", transform=f"rotate(-90 18 {middle:.0f})"))
    for (name, line), colour in zip(series.items(), COLOURS):
        joined = " ".join(f"{across(x):.1f},{down(y):.1f}" for _, x, y, _, _ in line)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>')
        for at, (label, x, y, dx, dy) in enumerate(line):
            px, py = across(x), down(y)
            rx, ry = abs(across(x + dx) - px), abs(down(y + dy) - py)
            parts.append(f'<path d="M{px - rx:.1f} {py:.1f}h{2 * rx:.1f}M{px:.1f} {py - ry:.1f}v{2 * ry:.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{colour}"/>')
            words = f"{name}, {label}" if at == 0 else label
            # At the right edge words stand on the other side of their point.
            side = {"text_anchor": "end"} if px > 0.7 * WIDE else {}
            parts.append(text(px - 8 if side else px + 8, py - 7, words, fill=colour, **side))
    return "\n".join(parts) + "\n</svg>\n"
