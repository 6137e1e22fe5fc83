"""README's results follow from the ledger: an edited record, or another verdict, shows."""

import re

import pytest

from mgmr_lib.course.authoring.pages import RESULTS_BEGIN, RESULTS_END, readme
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import other_worlds_page, patterns_page, results_page
from mgmr_lib.experiments.ledger import areas, write_record
from mgmr_lib.files import write_json
from mgmr_lib.provenance import digest
from mgmr_lib.training.config import make_config
from tests.experiments.test_tables import record


def fill(root, concat, side=1):
    ledger = root / "data" / "results" / "ledger"
    for i, seed in enumerate((1111, 1112, 1113)):
        wobble = 0.01 * i
        for name, shift in (("mgmr", 0.0), ("concat", concat + 0.1 * wobble)):
            r = record(name, seed, shift + wobble)
            r["records"] = [{**row, "corr": row["corr"] - side * shift / 2} for row in r["records"]]
            write_record(ledger, r)


@pytest.mark.parametrize("concat, word", [(0.2, "**better**"), (0.0, "not told apart"), (-0.2, "**worse**")])
def test_the_verdict_is_what_the_family_says(tmp_path, concat, word):
    fill(tmp_path, concat)
    text = results_page.results_section(tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| mgmr | concat | 3 / 3 | "))
    assert row.endswith(f"| {word} |") and "simulated" in text
    said = {"**better**": "better than concat", "**worse**": "**worse** than concat"}
    sentence = said.get(word, f"{word} from concat")
    assert f"- **mgmr** is {sentence}." in text.splitlines()


def test_a_later_network_is_a_rival_too(tmp_path):
    fill(tmp_path, 0.2)
    for i, seed in enumerate((1111, 1112, 1113)):
        write_record(tmp_path / "data" / "results" / "ledger", record("almt", seed, -0.3 + 0.011 * i))
    text = results_page.results_section(tmp_path)
    assert "- **mgmr** is better than concat; **worse** than almt." in text.splitlines()
    assert text.index("| almt | 3 |") < text.index("| mgmr | 3 |")


def test_the_two_are_judged_without_their_care_too(tmp_path):
    fill(tmp_path, -0.2)
    text = results_page.results_section(tmp_path)
    assert "more care than their rivals" in text and "experiment care" not in text
    for i, seed in enumerate((1111, 1112, 1113)):
        write_record(tmp_path / "data" / "results" / "ledger", record("mgmr_plain", seed, 0.3 + 0.011 * i))
        write_record(tmp_path / "data" / "results" / "ledger", record("mfmb_plain", seed, -0.6 + 0.011 * i))
    lines = results_page.results_section(tmp_path).splitlines()
    assert "- **mgmr_plain** is **worse** than concat." in lines
    assert "- **mfmb_plain** is better than concat." in lines
    assert sum(line.startswith("| mgmr_plain | 3 |") for line in lines) == 1


def pom_record(name, seed, shift, fingerprint="f00", config=True):
    r = record(name, seed, shift, config) | {"corpus": "pom", "settings": {"epochs": 30}, "fingerprint": fingerprint}
    r.pop("digest", None)
    return r


def test_real_voices_stand_apart_and_are_judged_against_lengths(tmp_path):
    fill(tmp_path, 0.2)
    ledger = tmp_path / "data" / "results" / "ledger"
    assert "real voices" not in results_page.results_section(tmp_path)
    for i, seed in enumerate((1111, 1112, 1113)):
        write_record(ledger, pom_record("mgmr", seed, 0.3 + 0.011 * i))
        write_record(ledger, pom_record("concat", seed, -0.3 + 0.011 * i))
    write_record(ledger, pom_record("lengths_ridge", 0, 0.0, config=False))
    write_record(ledger, pom_record("mean", 0, 0.5, config=False))
    real, simulated = results_page.results_section(tmp_path).split("### The first edition")
    assert "- **mgmr** is better than concat." in simulated.splitlines() and "lengths_ridge" not in simulated
    assert "- **mgmr** is **worse** than concat, lengths_ridge." in real.splitlines()
    write_record(ledger, pom_record("mgmr", 1111, 0.3, fingerprint="ba5"))
    with pytest.raises(CourseError, match="2 corpora that were called pom"):
        results_page.results_section(tmp_path)


def test_other_patterns_stand_beside_the_frames(tmp_path):
    fill(tmp_path, 0.2)
    ledger, at = tmp_path / "data" / "results" / "ledger", {}
    for i, seed in enumerate((1111, 1112, 1113)):
        for name, shift in (("mgmr", 0.0), ("concat", 0.3)):
            write_record(ledger, pom_record(name, seed, shift + 0.011 * i))
    assert patterns_page.patterns_section(patterns_page.by_pattern("pom", "laptop", {"epochs": 30}, ledger)) == []
    for i, seed in enumerate((1111, 1112, 1113)):
        for name, shift in (("mgmr", 0.4), ("concat", 0.1)):
            r = pom_record(name, seed, shift + 0.011 * i)
            r["settings"] = r["settings"] | {"pattern": "bursts"}
            write_record(ledger, r)
            at.setdefault(name, []).append(areas(r)["auilc", "mae"])
    found = patterns_page.by_pattern("pom", "laptop", {"epochs": 30}, ledger)
    lines = "\n".join(patterns_page.patterns_section(found)).splitlines()
    assert "| network | frames | bursts |" in lines  # nothing under whole modalities
    assert lines[0].startswith("<details>") and lines.count("</details>") == 1
    row = next(line for line in lines if line.startswith("| mgmr |"))
    assert row.split("|")[3].startswith(f" {sum(at['mgmr']) / 3:.3f} [")
    assert "- **mgmr** is **worse** than concat." in lines


def equal_care(root, shifts=(("mgmr", 0.3), ("concat", -0.3))):
    """Records of the profile tuned on the second edition, its figure and its search."""
    ledger = root / "data" / "results" / "ledger"
    for i, seed in enumerate((1111, 1112, 1113)):
        for name, shift in shifts:
            r = record(name, seed, shift + 0.011 * i) | {"corpus": "classroom-mosi@2", "profile": "tuned"}
            r |= {"config": make_config(name, lr=2e-3, objective="mse").to_dict(), "best_epoch": 11, "epochs": 12}
            r.pop("digest", None)
            write_record(ledger, r)
    figures = root / "data" / "results" / "tables" / "classroom-mosi@2" / "tuned"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "curve.png").write_bytes(b"")
    trials = [{"trial": 0, "at": None, "valid_mae": 1.25}, {"trial": 1, "at": {"width": 2.0}, "valid_mae": 1.125}]
    tuning = {"budget": 2, "networks": {n: {"trial": 1, "trials": trials} for n in ("mgmr", "concat", "tfn")}}
    write_json(root / "data" / "results" / "tuning.json", tuning | {"digest": digest(tuning)})


def test_equal_care_comes_first_with_what_was_chosen(tmp_path):
    fill(tmp_path, 0.2)
    ledger = tmp_path / "data" / "results" / "ledger"
    assert "same care" not in results_page.results_section(tmp_path)
    equal_care(tmp_path)
    equal, first = results_page.results_section(tmp_path).split("### The first edition")
    assert equal.startswith("![F1 and error") and "classroom-mosi@2/tuned/curve.png" in equal
    assert "- **mgmr** is better than concat." in first.splitlines()
    assert "- **mgmr** is **worse** than concat." in equal.splitlines() and "2 trials for each of 3 networks" in equal
    row = next(line for line in equal.splitlines() if line.startswith("| MGMR-Net | 2 |"))
    assert row.startswith("| MGMR-Net | 2 | 1.250 | 1.125 | 0.002 | 0.01 | 0.3 | 2 | 32 / 40 | mse | ")
    assert row.endswith("| mse | 5 |") and "| TFN |" not in equal and "shuffled" not in equal
    expected = []
    for name, shift in (("mgmr_shuffled", 0.5), ("mean", 0.25)):
        r = record(name, 1111, shift, name != "mean") | {"corpus": "classroom-mosi@2", "profile": "tuned"}
        r.pop("digest", None)
        write_record(ledger, r)
        expected.append(f"{areas(r)['auilc', 'mae']:.3f}")
    shuffled = results_page.results_section(tmp_path).split("### The first edition")[0]
    said = next(line for line in shuffled.splitlines() if line.startswith("The control, mgmr_shuffled"))
    assert re.findall(r"[0-9][.][0-9]{3}", said) == expected


def test_every_fold_of_the_page_is_closed(tmp_path):
    fill(tmp_path, 0.2)
    equal_care(tmp_path)
    lines = results_page.results_section(tmp_path).splitlines()
    opened = sum(line.startswith("<details>") for line in lines)
    assert opened == lines.count("</details>") == 3


def test_rows_are_ordered_by_error_and_the_numbers_are_the_records(tmp_path):
    fill(tmp_path, -0.2)
    lines = results_page.results_section(tmp_path).splitlines()
    order = [line for line in lines if line.startswith(("| mgmr", "| concat"))]
    assert order[0].startswith("| concat | 3 |") and "1.560 [" in order[1]


def test_without_the_figure_or_the_search_it_says_how_to_get_them(tmp_path):
    equal_care(tmp_path)
    (tmp_path / "data" / "results" / "tuning.json").unlink()
    with pytest.raises(CourseError, match="tuning.json"):
        results_page.results_section(tmp_path)
    next((tmp_path / "data").rglob("curve.png")).unlink()
    with pytest.raises(CourseError, match="curve.png does not exist: run `python -m mgmr_lib experiment curve"):
        results_page.results_section(tmp_path)


def test_a_damaged_record_stops_it_and_an_empty_ledger_says_so(tmp_path):
    assert "Nothing is recorded yet" in results_page.results_section(tmp_path)
    fill(tmp_path, 0.2)
    path = next((tmp_path / "data").rglob("mgmr-1111.json"))
    path.write_text(path.read_text().replace('"mae": 1.', '"mae": 2.', 1))
    with pytest.raises(CourseError, match="mgmr-1111.json is damaged"):
        results_page.results_section(tmp_path)


def test_readme_keeps_all_but_what_is_between_its_markers():
    text = f"a\n{RESULTS_BEGIN}\nold\n{RESULTS_END}\nb"
    assert readme(text, "", "new") == f"a\n{RESULTS_BEGIN}\nnew\n{RESULTS_END}\nb"
    assert readme("nothing", "", "new") == "nothing"


def test_other_worlds_are_folded_and_judged_by_themselves(tmp_path):
    assert other_worlds_page.other_worlds_section(tmp_path) == []
    for i, seed in enumerate((1111, 1112, 1113)):
        for name, shift in (("mgmr", 0.0), ("concat", 0.3), ("mgmr_no_s1", 0.6)):
            other = record(name, seed, shift + 0.011 * i) | {"corpus": "classroom-sims@2", "profile": "tuned"}
            write_record(tmp_path / "data" / "results" / "ledger", other)
    text = "\n".join(other_worlds_page.other_worlds_section(tmp_path))
    assert text.count("<details>") == 1 == text.count("</details>") and "mosei" not in text
    assert "- **mgmr** is better than concat." in text and "no_s1" not in text
    assert text.strip() in results_page.results_section(tmp_path)
