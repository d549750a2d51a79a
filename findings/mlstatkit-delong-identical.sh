#!/usr/bin/env bash
# MLstatkit's DeLong test of a model against itself gives p = 0, and so it does of two models that both separate the classes perfectly.
#
# Library:  MLstatkit 0.1.91
# Expected: where two models have the same AUC for every case, nothing differs: z = 0 and p = 1.
# Instead:  the variance of the difference is 0 there, and the test falls back to the bootstrap. Its p is twice the smaller share of the
#           differences "at most 0" and "above 0". Where all of them are 0 the second share is none, and p is 0.
# Seen:     scores against themselves: AUC 0.84 and 0.84, z 0.00, p 0.000; two models with AUC 1: z 0.00, p 0.000;
#           one score of a hundred moved: AUC 0.84 and 0.82, z -1.00, p 0.318
# Matters:  on a small or easy test set two models often rank all cases in the same way. A table then says that they differ with p < 0.001,
#           and the z beside it, which is 0, is seldom printed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check MLstatkit==0.1.91 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from MLstatkit import Delong_test

draws = np.random.default_rng(0)
label = np.repeat([0, 1], 50)
scores = draws.normal(1.5 * label)
moved = scores.copy()
moved[0] = scores.max() + 1
apart = np.linspace(0, 1, 100)


def tested(name, one, other):
    """Return z and p of the DeLong test, with its own idea of the two areas."""
    z, p, _, _, first, second, info = Delong_test(label, one, other, random_state=0)
    print(f"{name}: AUC {first:.2f} and {second:.2f}, z {z:.2f}, p {p:.3f} ({info['method']})")
    return first, second, z, p


same = tested("scores against themselves", scores, scores)
perfect = tested("two models with AUC 1", apart, apart**2)
near = tested("one score moved", scores, moved)
assert same[0] == same[1] and same[2:] == (0, 0)
assert perfect == (1, 1, 0, 0)
assert near[3] > 0.1
PYTHON
