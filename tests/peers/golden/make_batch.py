"""Draws batch.json, the one frozen batch that every golden array belongs to: `python tests/peers/golden/make_batch.py`.

Eight sequences of two groups in the schema of `coeflab coefficients`. The logprobs are no model's: they are drawn so
that each rule of a peer shows on some tokens and not on others. A policy/old ratio lies between 0.3 and 6, save for the
planted tokens below, and an old/sampler ratio between 0.2 and 5. Needs the standard library only and repeats exactly.
"""

import json
import math
import random
from pathlib import Path

SEED = 20240203
MAX_LENGTH = 16
VOCABULARY = 64
# group, reward, greedy reward, number of tokens, last token of each step, pair, chosen
SEQUENCES = (
    ("q1", 1.0, 0.0, 5, (1, 4), "p1", True),
    ("q1", 0.0, 0.0, 9, (2, 5, 8), "p1", False),
    ("q1", 0.0, 0.0, 1, (0,), "p2", False),
    ("q1", 1.0, 0.0, 12, (3, 6, 11), "p2", True),
    ("q2", 0.7, 0.4, 7, (2, 6), "p3", True),
    ("q2", -0.2, 0.4, 3, (2,), "p3", False),
    ("q2", 1.3, 0.4, 10, (4, 9), "p4", True),
    ("q2", 0.1, 0.4, 4, (0, 3), "p4", False),
)
# (sequence, token): log policy/old. Beyond +-20 for a clamp of the log-ratio; where the advantage is negative, beyond
# log 3 for dual clip and below log 0.8 for the ordinary clip.
PLANTED_POLICY_TO_OLD = {
    (0, 3): 25.0,
    (1, 4): 25.0,
    (3, 7): -25.0,
    (5, 1): -24.5,
    (1, 1): math.log(5.5),
    (5, 0): math.log(4.0),
    (7, 2): math.log(3.5),
    (1, 7): math.log(0.5),
    (1, 5): math.log(0.62),
    (7, 0): math.log(0.4),
}
# (sequence, token): log reference/policy, beyond the clamp of k3 at 10.
PLANTED_REFERENCE_TO_POLICY = {(4, 2): 3.1, (6, 6): 3.3}


def drawn_sequence(generator: random.Random, index: int) -> dict:
    """Draw the arrays of sequence `index`; every logprob is rounded to six digits."""
    group, reward, greedy_reward, length, step_ends, pair, chosen = SEQUENCES[index]
    policy, old, reference, sampler = [], [], [], []
    for token in range(length):
        to_old = PLANTED_POLICY_TO_OLD.get((index, token), generator.uniform(math.log(0.3), math.log(6.0)))
        to_reference = PLANTED_REFERENCE_TO_POLICY.get((index, token), generator.uniform(-1.0, 1.0))
        to_sampler = generator.uniform(-math.log(5.0), math.log(5.0))  # old over sampler
        if abs(to_old) > 20:
            policy_logprob, old_logprob = (-1.5, -1.5 - to_old) if to_old > 0 else (-1.5 + to_old, -1.5)
        else:
            highest = -0.01 - max(0.0, -to_old, to_reference, -to_old - to_sampler)
            policy_logprob = generator.uniform(min(-2.5, highest - 0.2), highest)
            old_logprob = policy_logprob - to_old
        policy.append(round(policy_logprob, 6))
        old.append(round(old_logprob, 6))
        reference.append(round(policy_logprob + to_reference, 6))
        sampler.append(round(old_logprob - to_sampler, 6))
    return {
        "group": group,
        "reward": reward,
        "policy_logprobs": policy,
        "old_logprobs": old,
        "reference_logprobs": reference,
        "sampler_logprobs": sampler,
        "values": [round(generator.uniform(-0.5, 1.2), 6) for _ in range(length)],
        "step_rewards": [round(generator.uniform(-0.3, 1.0), 6) for _ in step_ends],
        "step_ends": list(step_ends),
        "pair": pair,
        "chosen": chosen,
        "truncated": False,
        "greedy_reward": greedy_reward,
        "tokens": [generator.randrange(3, VOCABULARY) for _ in range(length)],
    }


def main() -> None:
    """Write batch.json beside this file, an array a line."""
    generator = random.Random(SEED)
    sequences = [drawn_sequence(generator, index) for index in range(len(SEQUENCES))]
    rows = [",\n  ".join(f'"{name}": {json.dumps(value)}' for name, value in row.items()) for row in sequences]
    text = '{"sequences": [\n' + ",\n".join(" {" + row + "}" for row in rows) + f'\n], "max_length": {MAX_LENGTH}}}\n'
    assert json.loads(text) == {"sequences": sequences, "max_length": MAX_LENGTH}
    (Path(__file__).parent / "batch.json").write_text(text)


if __name__ == "__main__":
    main()
