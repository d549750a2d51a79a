#!/usr/bin/env bash
# dcurves takes the chance of no event for the risk of one: a good score of survival is worse than treating nobody.
#
# Library:  dcurves 1.1.7, with lifelines 0.30.0
# Expected: `models_to_prob=["score"]` with a time makes of a score the risk of an event by then, from a Cox model, as the docs say; the
#           curve is that of the risk which lifelines gives for the same model.
# Instead:  the probability that lifelines calls survival is taken for the risk, so that those who do best are the first to be treated.
# Seen:     2,000 cases, concordance 0.77; net benefit at thresholds of 20 % and 50 %: by dcurves 0.115 and -0.394, by the risk itself 0.243
#           and 0.125; to treat all 0.207 and -0.269, nobody 0
# Matters:  a decision curve is what journals ask for beside an AUC: a biomarker of images that would help is reported as harmful, and one
#           that is wrong way round as useful.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dcurves==1.1.7 lifelines==0.30.0 statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
from dcurves import dca
from lifelines import CoxPHFitter, KaplanMeierFitter

draw = np.random.default_rng(0)
score = draw.normal(size=2000)
event, seen = draw.exponential(np.exp(1 - 1.2 * score)), draw.uniform(0.5, 4, 2000)  # years; higher scores, earlier events
cases = pd.DataFrame({"score": score, "years": np.minimum(event, seen), "event": event <= seen})
cox = CoxPHFitter().fit(cases, "years", "event")
cases["risk"] = 1 - cox.predict_survival_function(cases, times=1.0).values[0]
print(f"concordance of the score {cox.concordance_index_:.2f}")
assert cox.concordance_index_ > 0.7

thresholds = np.array([0.2, 0.5])
given = {"outcome": "event", "thresholds": thresholds, "time": 1.0, "time_to_outcome_col": "years"}
made = dca(data=cases, modelnames=["score"], models_to_prob=["score"], **given)
known = dca(data=cases, modelnames=["risk"], **given)
benefit = {
    "the score, made a risk by dcurves": made[made["model"] == "score"]["net_benefit"].to_numpy(),
    "the risk of the same Cox model": known[known["model"] == "risk"]["net_benefit"].to_numpy(),
    "all are treated": known[known["model"] == "all"]["net_benefit"].to_numpy(),
}


def by_hand(risk, threshold):
    """Net benefit of treating those at or above a threshold, by the share of them that Kaplan and Meier say has an event in a year."""
    treated = risk >= threshold
    fitted = KaplanMeierFitter().fit(cases["years"][treated], cases["event"][treated])
    ill = 1 - float(fitted.survival_function_at_times(1.0).iloc[0])
    return treated.mean() * (ill - (1 - ill) * threshold / (1 - threshold))


benefit["the risk, by hand"] = np.array([by_hand(cases["risk"], threshold) for threshold in thresholds])
benefit["one minus the risk, by hand"] = np.array([by_hand(1 - cases["risk"], threshold) for threshold in thresholds])
for name, values in benefit.items():
    print(f"{name}: net benefit at 20 % {values[0]:.3f}, at 50 % {values[1]:.3f}")
made, known, everybody, risk, turned = benefit.values()
assert np.allclose(known, risk) and np.allclose(made, turned)
assert (known > np.maximum(everybody, 0)).all() and (made < np.maximum(everybody, 0)).all()
PYTHON
