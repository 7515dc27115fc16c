"""Writes trained guides as the program reads them, norms melted into the convolutions.

    python -m training.export_guides --eyes runs/eyes --scorer runs/scorer --pack pack --out models/guides
    python -m training.export_guides --identity runs/identity --pack pack --out models/guides
"""

import argparse
import json
from pathlib import Path

from safetensors.torch import save_file

from . import checkpoint, loop, world
from .networks.guides import Likeness, folded
from .train_guides import NAMES, make
from .words import Words


def restored(run, build):
    """What `build` makes of a run's config, with the averaged weights; and how far the run was."""
    state = loop.load(Path(run) / "checkpoint.pt")
    if state is None:
        raise SystemExit(f"{run} holds no checkpoint: train first")
    network = build(state["config"])
    network.load_state_dict(state["average"])
    return network.eval(), state["step"]


def averaged(run, words):
    """The networks of a training of guides."""
    return restored(run, lambda config: make(config, words, config["names"]["thing"]))


def likeness(run):
    """The network of a training of identities."""
    return restored(run, Likeness)


def settings(eyes, things, text=None):
    """The config that goes beside the weights."""
    config = eyes.config
    names = {
        "thing": things,
        "colour": list(world.COLOURS),
        "scene": ["studio", *world.SCENES],
        "dye": ["own", *world.DYES],
    }
    places = config["places"]
    made = {
        "widths": config["widths"],
        "lateral": config["lateral"] if places else 0,
        "embedding": config["embedding"] if places else 0,
        "names": names,
    }
    if text:
        settings = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        settings += ("max_position_embeddings", "hidden_act", "layer_norm_eps")
        made["text"] = {name: text[name] for name in settings}
    return made


def write(out, name, weights, config, bits):
    """`NAME.json` and `NAME.safetensors`."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(checkpoint.narrowed(weights, bits), out / f"{name}.safetensors")
    (out / f"{name}.json").write_text(json.dumps(config, indent=2) + "\n")


def write_likeness(network, out, bits):
    """`identity`: eyes that answer no question."""
    nothing = {head: [] for head in NAMES}
    write(out, "identity", folded(network), network.config | {"lateral": 0, "names": nothing}, bits)


UNUSED_BY_SCORER = ("embed.", "lateral.", "smooth.", "mask.", "heat.", "box.")


def write_eyes(networks, things, out, name, bits):
    """Eyes, and for those that see places the text tower beside them."""
    eyes, text = networks["eyes"], networks["text"]
    places = eyes.config["places"]
    weights = {
        key: value
        for key, value in folded(eyes).items()
        if places or not key.startswith(UNUSED_BY_SCORER)
    }
    for key, value in list(weights.items()):
        if value.ndim == 4 and value.shape[2:] == (1, 1):
            weights[key] = value[:, :, 0, 0]
    write(out, name, weights, settings(eyes, things, text.text.config if places else None), bits)
    if places:
        tower = {key.removeprefix("text."): value for key, value in text.state_dict().items()}
        save_file(checkpoint.narrowed(tower, bits), out / "text.safetensors")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--eyes", type=Path)
    parser.add_argument("--scorer", type=Path)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=Path("models/mini/tokenizer"))
    parser.add_argument("--bits", type=int, choices=[8, 16], default=16)
    parser.add_argument("--out", type=Path, default=Path("models/guides"))
    args = parser.parse_args(arguments)
    words = Words(args.tokenizer)
    things = list(json.loads((args.pack / "pack.json").read_text())["things"])
    for name, run in (("eyes", args.eyes), ("scorer", args.scorer)):
        if run:
            networks, step = averaged(run, words)
            write_eyes(networks, things, args.out, name, args.bits)
            report(args.out, name, step)
    if args.identity:
        network, step = likeness(args.identity)
        write_likeness(network, args.out, args.bits)
        report(args.out, "identity", step)


def report(out, name, step):
    """Says what was written."""
    size = (out / f"{name}.safetensors").stat().st_size
    print(f"{name}: {size / 1e3:.0f} kB after {step} steps")


if __name__ == "__main__":
    main()
