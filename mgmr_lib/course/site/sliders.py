"""A slider or a player of a notebook on the site: its stored frames, and what static/frames.js moves them with."""

import html
import json

from mgmr_lib.course.frames import file_name


def moving(figure: dict, number: int, folder: str) -> str:
    """HTML that stays hidden where no script runs: the figure above it shows some of the frames.

    figure: its size, names, choices and milliseconds as `frames.store` keeps them; number: of the figure, from 1;
    folder: of the frames, as the page sees it.
    """
    places = tuple(len(choices) // 2 if not figure["milliseconds"] else 0 for choices in figure["choices"])
    rows = "".join(map(_slider, figure["names"], figure["choices"], places))
    play = '<button type="button">Play</button>' if figure["milliseconds"] else ""
    said = ", ".join(f"{n} = {c[i]}" for n, c, i in zip(figure["names"], figure["choices"], places, strict=True))
    size = f'width="{figure["width"]}" height="{figure["height"]}"'
    picture = f'src="{folder}/{file_name(number, places)}" {size} alt="The drawing for {html.escape(said)}"'
    return (
        f'<div class="course-frames" role="group" aria-label="Sliders of the figure above" hidden '
        f'data-frames="{folder}/{number}" data-milliseconds="{figure["milliseconds"]}">{rows}{play}'
        f'<img {picture} loading="lazy"></div>'
    )


def _slider(name: str, choices: list[str], place: int) -> str:
    said = html.escape(json.dumps(choices, ensure_ascii=False))
    return (
        f'<label>{html.escape(name)} <input type="range" min="0" max="{len(choices) - 1}" step="1" value="{place}" '
        f'data-name="{html.escape(name)}" data-said="{said}" aria-valuetext="{html.escape(choices[place])}"> '
        f"<output>{html.escape(choices[place])}</output></label>"
    )
