"""Produces golden/*.json: what the peers' own functions give on golden/batch.json. Nothing of this project is imported.

Run it in a throw-away environment that has torch 2.13.0 and what the peers' modules import (README.md beside this file
lists it), with the peers' wheels; NeMo-RL has none, so with a folder that holds nemo_rl/algorithms:

    python tests/peers/produce_goldens.py --verl verl-0.9.1-py3-none-any.whl
    python tests/peers/produce_goldens.py --openrlhf openrlhf-0.11.2-cp311-cp311-manylinux1_x86_64.whl
    python tests/peers/produce_goldens.py --nemo-rl FOLDER_WITH_nemo_rl

Each peer's module says which functions are called, and which unrelated imports are replaced by empty stand-ins. One
peer a process: the stand-ins of one would be seen by the next.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from frozen_batch import GOLDEN_FOLDER, read_batch, sha256, write_golden
from peer_nemo_rl import nemo_rl_goldens, nemo_rl_origin
from peer_openrlhf import openrlhf_goldens
from peer_verl import verl_goldens


def unpacked(wheel: Path, folder: Path) -> Path:
    """Unpack a wheel below `folder` and return the directory that holds its packages."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return next(iter(folder.glob("*.data/purelib")), folder)


def wheel_origin(peer: str, wheel: Path) -> dict[str, object]:
    """Peer, version, wheel name and its sha256."""
    return {"peer": peer, "version": wheel.name.split("-")[1], "wheel": wheel.name, "wheel_sha256": sha256(wheel)}


def main() -> None:
    """Produce the golden files of one peer, in place of the ones that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer = parser.add_mutually_exclusive_group(required=True)
    peer.add_argument("--verl", type=Path, help="the verl wheel")
    peer.add_argument("--openrlhf", type=Path, help="the OpenRLHF wheel")
    peer.add_argument("--nemo-rl", type=Path, help="a folder with nemo_rl/algorithms/...")
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch = read_batch()
    with tempfile.TemporaryDirectory() as folder:
        if options.nemo_rl:
            root, origin, goldens = options.nemo_rl, nemo_rl_origin(options.nemo_rl), nemo_rl_goldens
        else:
            name, wheel = ("verl", options.verl) if options.verl else ("openrlhf", options.openrlhf)
            root, origin = unpacked(wheel, Path(folder)), wheel_origin(name, wheel)
            goldens = verl_goldens if options.verl else openrlhf_goldens
            sys.path.insert(0, str(root))
        for stale in GOLDEN_FOLDER.glob(f"{origin['peer']}_*.json"):
            stale.unlink()
        written = [write_golden(golden, batch, origin, root) for golden in goldens(root, batch)]
    print(f"{len(written)} files, {sum(path.stat().st_size for path in written)} bytes")


if __name__ == "__main__":
    main()
