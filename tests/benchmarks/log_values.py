"""What a run's log says of one column.

python tests/benchmarks/log_values.py RUN COLUMN

COLUMN is one of ``log.csv``, such as ``diagnosis.fid``. Epochs in which it was not measured are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from medgen.runs.run import open_run


def main(folder: Path, column: str) -> None:
    values = open_run(folder).history().set_index("epoch")[column].dropna()
    result = {"by_epoch": {str(epoch): float(value) for epoch, value in values.items()}, "last": float(values.iloc[-1])}
    sys.stdout.write(json.dumps({column: result}, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), words[1])
