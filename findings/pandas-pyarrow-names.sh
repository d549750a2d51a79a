#!/usr/bin/env bash
# Names of files that are not UTF-8 go into a table of pandas, until somebody installs pyarrow beside it.
#
# Libraries: pandas 3.1.1, pyarrow 26.0.1, numpy 2.4.6
# Expected:  what pandas can hold does not depend on which other packages are installed; `os.listdir` gives names of any bytes as
#            texts (PEP 383), and `pandas.DataFrame` takes them.
# Instead:   since pandas 3, texts are of the type str, which keeps them in Python's own objects, or by pyarrow where that can be
#            imported, though the program never asked for it. A name with a byte that is no UTF-8 is then a UnicodeEncodeError in
#            the constructor. `pandas.options.mode.string_storage = "python"` brings back what was.
# Seen:      without pyarrow: str
#            with pyarrow: UnicodeEncodeError
#            with pyarrow and string_storage "python": str
# Matters:   archives from other systems unpack to names in Latin-1 (a u with two dots is one byte). A list of the frames of a study
#            stops working when MLflow, say, is installed, which brings pyarrow along.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
cd "$folder"
cat > look.py <<'PYTHON'
import os
import sys
from pathlib import Path

import pandas as pd

if "python" in sys.argv:
    pd.options.mode.string_storage = "python"
Path("frames").mkdir(exist_ok=True)
open(b"frames/M\xfcller.png", "wb").close()
try:
    print(pd.DataFrame({"file": os.listdir("frames")})["file"].dtype)
except UnicodeEncodeError as error:
    print(type(error).__name__)
PYTHON
without=$(venv/bin/python look.py)
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
with=$(venv/bin/python look.py)
storage=$(venv/bin/python look.py python)
echo "without pyarrow: $without"
echo "with pyarrow: $with"
echo "with pyarrow and string_storage \"python\": $storage"
[ "$without" = str ] && [ "$with" = UnicodeEncodeError ] && [ "$storage" = str ]
