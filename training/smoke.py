"""A few steps of every training, on pictures that are drawn here, in seconds: losses fall, trainings resume, files are written.

    python -m training.smoke --out target/training-smoke
    python -m training.smoke --out target/training-smoke --guidestar target/debug/guidestar

With `--guidestar` the program reads what was trained and draws with it. Ends with "test result: ok. N passed; N failed", as cargo's tests do.
"""

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from . import checkpoint, evaluate, export_guides, loop, pieces, scenery, score_guides, train_autoencoder, train_denoiser
from . import train_guides, train_identity, train_words, world
from .compose import NO_COLOUR, NO_THING, Choices, Composer
from .words import Words

MODELS = Path(__file__).parent.parent / "models"
TOKENIZER = MODELS / "mini/tokenizer"


def draw_pack(folder):
    """A pack of coloured shapes."""
    (folder / "things").mkdir(parents=True)
    things = {}
    for index, name in enumerate(list(world.THINGS)[:6]):
        image = Image.new("RGBA", (64, 64))
        shape = [ImageDraw.Draw(image).ellipse, ImageDraw.Draw(image).rectangle][index % 2]
        shape((4, 4, 60 - 4 * index, 60), fill=(40 * index, 255 - 40 * index, 128, 255))
        things[name] = f"things/{index}.webp"
        image.save(folder / things[name], lossless=True)
    (folder / "portraits").mkdir()
    for person in range(20):
        image = Image.new("RGBA", (128, 32))
        for view in range(4):
            draw, left = ImageDraw.Draw(image), 32 * view
            draw.ellipse((left + 2, 2, left + 30, 30), fill=(12 * person, 255 - 40 * (person % 6), 90 * (person % 3), 255))
            draw.line((left + 9, 14 + 3 * view, left + 23, 24 - 2 * view), fill=(0, 0, 0, 255), width=2)
        image.save(folder / "portraits" / f"{person}.webp", lossless=True)
    (folder / "pack.json").write_text(json.dumps({"things": things}))


def call(module, *flags):
    """Runs a command of this folder, in this process, and returns what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        module.main([str(flag) for flag in flags])
    return printed.getvalue()


def losses(printed):
    """The losses that a training says."""
    return [float(line.split("loss ")[1].split(",")[0]) for line in printed.splitlines() if "loss " in line]


def falling(printed, share):
    """Asserts that the last loss is less than this share of the first."""
    found = losses(printed)
    assert len(found) >= 2 and found[-1] < share * found[0], f"losses do not fall: {found}"


def same_weights(one, other):
    """Asserts that two checkpoints hold the same numbers, to the bit."""
    one, other = loop.load(one / "checkpoint.pt"), loop.load(other / "checkpoint.pt")
    for of in ("network", "average"):
        for name, weight in one[of].items():
            assert torch.equal(weight, other[of][name]), f"{of}: {name} differs after resuming"


def cut_in_two(module, out, *flags):
    """Asserts that six steps are three steps and three more."""
    call(module, *flags, "--steps", 6, "--run", out / "whole")
    call(module, *flags, "--steps", 6, "--run", out / "halves", "--stop", 3)
    call(module, *flags, "--steps", 6, "--run", out / "halves")
    same_weights(out / "whole", out / "halves")


def the_guides_learn_and_are_written_as_the_program_reads_them(out, pack):
    flags = ["--pack", pack, "--tokenizer", TOKENIZER, "--threads", 1, "--batch", 8]
    falling(call(train_guides, *flags, "--run", out / "eyes", "--steps", 100), 0.9)
    call(train_guides, *flags, "--run", out / "scorer", "--steps", 10, "--scorer")
    call(export_guides, *flags[:4], "--eyes", out / "eyes", "--scorer", out / "scorer", "--out", out / "guides")
    few = len(json.loads((pack / "pack.json").read_text())["things"])
    for file in ("eyes", "text"):
        made, shipped = (load_file(folder / f"{file}.safetensors") for folder in (out / "guides", MODELS / "guides"))
        assert made.keys() == shipped.keys(), f"{file}: {made.keys() ^ shipped.keys()}"
        for name, weight in made.items():
            assert weight.shape[1:] == shipped[name].shape[1:] and len(weight) in (len(shipped[name]), few), name
    report = json.loads(call(score_guides, *flags[:6], "--eyes", out / "eyes", "--scorer", out / "scorer", "--pictures", 250))
    assert 0 <= report["mask IoU"] <= 1 and 0 <= report["scorer names"]["thing"] <= 1, report


def a_guides_training_that_was_cut_in_two_is_that_of_one_piece(out, pack):
    cut_in_two(train_guides, out, "--pack", pack, "--tokenizer", TOKENIZER, "--batch", 4, "--threads", 1)


def the_guide_of_identity_learns_and_resumes(out, pack):
    flags = ["--pack", pack, "--batch", 16, "--threads", 1]
    falling(call(train_identity, *flags, "--run", out / "identity", "--steps", 100), 0.9)
    cut_in_two(train_identity, out / "identity-cut", *flags)
    call(export_guides, "--pack", pack, "--identity", out / "identity", "--out", out / "guides")
    report = json.loads(call(score_guides, "--pack", pack, "--identity", out / "identity"))
    assert report["identity"]["nearer than another's"] > 0.6, report


def the_autoencoder_learns_and_resumes(out, pack):
    flags = ["--pack", pack, "--channels", 8, "--size", 64, "--crop", 32, "--batch", 4, "--rate", 3e-3, "--threads", 1]
    falling(call(train_autoencoder, *flags, "--run", out / "vae", "--steps", 150), 0.8)
    cut_in_two(train_autoencoder, out / "vae-cut", *flags)
    call(train_autoencoder, *flags, "--steps", 2, "--run", out / "vae-bf16", "--bf16")
    more = ["--start", out / "vae/model", "--decoder-only"]
    call(train_autoencoder, *flags, "--steps", 2, "--run", out / "decoder", *more)
    before, after = (checkpoint.read(out / run / "model", "vae").state_dict() for run in ("vae", "decoder"))
    moved = {name.split(".")[0] for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert moved == {"decoder"}, f"sharpening the decoder moved {moved}"


def the_denoiser_learns_and_resumes(out, pack):
    flags = ["--pack", pack, "--model", out / "vae/model", "--tokenizer", out / "tokenizer", "--narrow", "--fresh"]
    flags += ["--size", 64, "--stock", 32, "--batch", 4, "--rate", 2e-3, "--threads", 1]
    call(train_words, "--pack", pack, "--out", out / "tokenizer", "--captions", 500, "--merges", 100)
    falling(call(train_denoiser, *flags, "--run", out / "denoiser", "--steps", 150), 0.8)
    cut_in_two(train_denoiser, out / "denoiser-cut", *flags)
    call(train_denoiser, *flags, "--run", out / "denoiser-bf16", "--steps", 2, "--bf16", "--bits", 8)
    run = ["--pack", pack, "--model", out / "denoiser/model", "--threads", 1]
    judges = ["--tokenizer", TOKENIZER, "--eyes", out / "eyes", "--scorer", out / "scorer"]
    printed = call(evaluate, *run, *judges, "--out", out / "evaluated", "--pictures", 20, "--steps", 2)
    report = json.loads(printed[printed.index("{") :])
    assert 0 <= report["thing right"] <= 1 and report["Frechet distance"] > 0, report
    assert (out / "evaluated/sheet.png").exists()


def what_counts_and_what_is_averaged_is_what_it_should_be(_out, _pack):
    snr = torch.tensor([0.1, 5.0, 50.0], dtype=torch.float64)
    counted = train_denoiser.min_snr(snr / (1 + snr))
    assert torch.allclose(counted, torch.tensor([1.0, 1.0, 0.1])), counted
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = loop.Average(network, 0.9)
    network.weight.data.fill_(1.0)
    for _ in range(400):
        average.update(network)
    assert abs(average.weights["weight"].item() - 1) < 1e-6, average.weights
    network.weight.data.fill_(2.0)
    average.update(network)
    assert abs(average.weights["weight"].item() - 1.1) < 1e-6, average.weights


def eight_bits_are_within_half_a_step(_out, _pack):
    weights = {"conv.weight": torch.randn(8, 4, 3, 3) * torch.logspace(-3, 1, 8).view(-1, 1, 1, 1), "conv.bias": torch.randn(8)}
    again = checkpoint.widened(checkpoint.narrowed(weights, 8))
    assert again.keys() == weights.keys()
    step = weights["conv.weight"].flatten(1).abs().amax(1).view(-1, 1, 1, 1) / 127
    assert ((again["conv.weight"] - weights["conv.weight"]).abs() <= 0.5001 * step).all()


def a_trained_tokenizer_knows_the_worlds_words(out, pack):
    call(train_words, "--pack", pack, "--out", out / "words", "--captions", 500, "--merges", 400)
    words = Words(out / "words")
    thing = list(json.loads((pack / "pack.json").read_text())["things"])[1]
    for word in (*thing.split(), "background"):
        assert len(words.word(word)) == 1, f"{word} is not one token"
    names = {number: name for name, number in words.vocabulary.items()}
    said = [names[token] for token in words.encode("zebra, 7!")]
    assert said[0] == train_words.START and said[-1] == train_words.END
    text = "".join(part for part in said if not part.startswith("<|")).replace("</w>", " ")
    assert text == "zebra , 7 ! ", text


def pieces_make_the_file_that_was_cut(out, _pack):
    whole = out / "whole.bin"
    whole.write_bytes(bytes(range(256)) * 200_000)
    pieces.cut(whole, out / "pieces")
    sizes = [piece.stat().st_size for piece in (out / "pieces").glob("piece-*")]
    assert len(sizes) == 4 and max(sizes) <= pieces.PIECE_BYTES, sizes
    pieces.join(out / "pieces", out / "joined.bin")
    assert (out / "joined.bin").read_bytes() == whole.read_bytes()
    next((out / "pieces").glob("piece-*")).unlink()
    try:
        pieces.join(out / "pieces", out / "again.bin")
    except SystemExit:
        return
    raise AssertionError("a piece was missing, and nobody minded")


def the_program_draws_with_what_was_trained(out, program):
    for run in ("denoiser", "denoiser-bf16"):
        model, picture = out / run / "model", out / f"{run}.png"
        generate = ["generate", "a red apple", "--model", model, "--steps", "2", "--out", picture]
        for command in (["models", "check", model], generate):
            done = subprocess.run([program, *command], capture_output=True, text=True)
            assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
        assert Image.open(picture).size == (64, 64), Image.open(picture).size


def a_painting_is_the_same_again_and_like_no_other(_out, _pack):
    for place in world.SCENES:
        one, again, other = (scenery.paint(place, number, 24) for number in (3, 3, 4))
        assert one.shape == (24, 48, 3) and (one == again).all(), place
        assert abs(one.astype(int) - other).mean() > 2, f"two paintings of {place} are alike"
    means = [scenery.paint(place, 0, 24).mean((0, 1)) for place in world.SCENES]
    assert list(world.SCENES) == list(scenery.PLACES) and len({tuple(mean) for mean in means}) == len(means)


def a_thing_on_the_ground_stands_and_casts_its_shadow_there(_out, pack):
    composer = Composer(pack, 64, 0, Choices(scenes=1, dyed=0, two=0, sided=0, sized=0, turned=0))
    plan = composer.plan([1, NO_THING], NO_COLOUR, list(world.SCENES).index("snow"))
    dark = plan | {"shadow": [1.0, 0.04, 0.0]}
    light = plan | {"shadow": [0.0, 0.04, 0.0]}
    images = composer.compose([dark, light])
    shadow = (images.images[1] - images.images[0]).mean(0).clamp(min=0).sum(1)
    foot = images.boxes[0, 0, 3].item() * 64
    centre = (shadow * torch.arange(64)).sum().item() / shadow.sum().item()
    assert 0.72 < foot / 64 < 0.95 and abs(centre - foot) < 5, f"feet at {foot}, shadow at {centre}"
    hung = composer.plan([1, NO_THING], NO_COLOUR, list(world.SCENES).index("sky"))
    pair = composer.compose([hung | {"shadow": [strength, 0.04, 0.0]} for strength in (0.0, 1.0)]).images
    assert torch.equal(*pair), "what hangs in the sky casts a shadow"


TESTS = [
    a_painting_is_the_same_again_and_like_no_other,
    a_thing_on_the_ground_stands_and_casts_its_shadow_there,
    what_counts_and_what_is_averaged_is_what_it_should_be,
    eight_bits_are_within_half_a_step,
    a_trained_tokenizer_knows_the_worlds_words,
    pieces_make_the_file_that_was_cut,
    the_guides_learn_and_are_written_as_the_program_reads_them,
    a_guides_training_that_was_cut_in_two_is_that_of_one_piece,
    the_guide_of_identity_learns_and_resumes,
    the_autoencoder_learns_and_resumes,
    the_denoiser_learns_and_resumes,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--guidestar", type=Path, help="the program, to read and to draw with what was trained")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    pack = args.out / "pack"
    draw_pack(pack)
    tests = [(test, pack) for test in TESTS]
    if args.guidestar:
        tests.append((the_program_draws_with_what_was_trained, args.guidestar))
    failed = 0
    for test, what in tests:
        name, began = test.__name__.replace("_", " "), time.monotonic()
        try:
            test(args.out, what)
            print(f"ok: {name}, {time.monotonic() - began:.1f} s", flush=True)
        except (Exception, SystemExit):
            failed += 1
            print(f"FAILED: {name}\n{traceback.format_exc()}", flush=True)
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(tests) - failed} passed; {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
