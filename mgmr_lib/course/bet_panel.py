"""The live panel of a bet: radio buttons, a slider over an axis, or a field; and how sure one is."""

from mgmr_lib.course import bets, display


class Panel:
    """The widgets of one question; `box` is what is shown.

    A bet is kept at once, can be changed until the outcome is known, and is locked then.
    """

    def __init__(self, question: bets.Question):
        import ipywidgets as w

        self.question = question
        self.answer = _answer(question, w)
        self.sure = w.RadioButtons(
            options=[("not said", None), *((f"{c} %", c) for c in bets.CONFIDENCES)],
            value=None,
            description="How sure?",
            orientation="horizontal",
            layout=w.Layout(width="auto"),
        )
        self.said = w.HTML()
        self.said.add_class("course-bet-said")
        asked = w.HTML(f"<strong>{question.id}  Your bet</strong>: {_escaped(question.text)}")
        rows = [asked, self.answer]
        if question.between:
            self.axis = w.HTML(bets.axis(question, {"you": self.answer.value}))
            rows.append(self.axis)
        self.button = None
        if not question.choices:
            self.button = w.Button(description="Place this bet", layout=w.Layout(width="140px"))
            self.button.on_click(lambda _: self._place())
            rows.append(self.button)
        self.box = w.VBox([*rows, self.sure, self.said])
        self.box.add_class("course-bet")
        self.box.add_class(display.SLIDERS)
        self._restore()
        self.answer.observe(self._changed, names="value")
        self.sure.observe(lambda _: self._place(again=True), names="value")

    def _restore(self) -> None:
        """Show the bet of an earlier day."""
        bet = bets.kept(self.question)
        self.placed = bool(bet)
        if bet:
            self.answer.value = bet["bet"]
            self.sure.value = bet["confidence"] if bet["confidence"] in bets.CONFIDENCES else None
            self._say(f"You bet {self.question.words(bet['bet'])}.")
        else:
            self._say("No bet yet. Whoever runs the next cells without one just sees the outcome.")
        if "right" in bet:
            self._lock()
            self._say(f"You bet {self.question.words(bet['bet'])}, and that was {_judged(bet)}.")

    def _changed(self, _) -> None:
        if self.question.between:
            self.axis.value = bets.axis(self.question, {"you": self.answer.value})
        if self.question.choices:
            self._place()

    def _place(self, again: bool = False) -> None:
        if again and not self.placed:
            return
        self.placed = True
        bets.place(self.question, self.answer.value, self.sure.value)
        self._say(f"Your bet is kept: {self.question.words(self.answer.value)}. Now run the next cells (Shift+Enter).")

    def settle(self, bet: dict, truth) -> None:
        """Lock the panel once the outcome is known."""
        self._lock()
        told = f"You bet {self.question.words(bet['bet'])}: {_judged(bet)}." if bet else "The outcome stands below now."
        self._say(f"{told} It is {self.question.words(truth)}.")

    def _lock(self) -> None:
        for widget in (self.answer, self.sure, self.button):
            if widget is not None:
                widget.disabled = True

    def _say(self, text: str) -> None:
        self.said.value = f'<span role="status">{_escaped(text)}</span>'


def _judged(bet: dict) -> str:
    return "right" if bet["right"] else "not what came out"


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _answer(question: bets.Question, w):
    wide = w.Layout(width="auto", max_width="60em")
    if question.choices:
        return w.RadioButtons(options=question.choices, value=None, layout=wide)
    label = {"description": "Your number", "style": {"description_width": "110px"}, "layout": w.Layout(width="420px")}
    if not question.between:
        return w.FloatText(**label)
    low, high = question.between
    return w.FloatSlider(
        value=low, min=low, max=high, step=question.step or (high - low) / 100, readout_format=".3g", **label
    )
