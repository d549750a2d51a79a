#!/usr/bin/env bash
# deepsig's bonferroni_correction hands corrected p-values back in the wrong order: 0.5 comes back as 0.08, and 0.001 as 0.5.
#
# Library:  deepsig 1.2.8
# Expected: each p-value comes back corrected, at its own place.
# Instead:  values are sorted, corrected and put back by the order that sorted them where its inverse is needed. The two are the same if the list is sorted
#           or values have changed places in pairs; of the orders of six values nine in ten are neither.
# Seen:     0.5, 0.001, 0.04 become 0.080, 0.500, 0.003; the same values as 0.001, 0.04, 0.5 become 0.003, 0.080, 0.500
#           of the 720 orders of six values 644 have some in the wrong place
# Matters:  it is there to say on which of several data sets, or against which of several models, a new one is better. That is told wrongly, while the
#           list as a whole looks right: the same numbers, as small and as many.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps deepsig==1.2.8  # it asks for more than this part needs
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import sys
import types
from itertools import permutations

import numpy as np

package = types.ModuleType("deepsig")  # entered without its first file, which imports all that the package asks for
package.__path__ = importlib.util.find_spec(package.__name__).submodule_search_locations
sys.modules[package.__name__] = package

from deepsig.correction import bonferroni_correction  # noqa: E402

ordered = [0.001, 0.04, 0.5]
own = dict(zip(ordered, bonferroni_correction(np.array(ordered))))
mixed = [0.5, 0.001, 0.04]
found = bonferroni_correction(np.array(mixed))
print("in order:", ", ".join(f"{p} becomes {own[p]:.3f}" for p in ordered))
print("not in order:", ", ".join(f"{p} becomes {q:.3f}" for p, q in zip(mixed, found)))
np.testing.assert_allclose(list(own.values()), [3 * 0.001, 2 * 0.04, 0.5])  # the k-th smallest of n times n - k + 1
np.testing.assert_allclose(found, [0.08, 0.5, 0.003])

six = (0.001, 0.005, 0.01, 0.02, 0.04, 0.5)
right = dict(zip(six, bonferroni_correction(np.array(six))))
wrong = sum(not np.allclose(bonferroni_correction(np.array(order)), [right[p] for p in order]) for order in permutations(six))
print(f"of the 720 orders of six values {wrong} have some in the wrong place")
assert wrong == 644
PYTHON
