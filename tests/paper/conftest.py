"""The paper's numbers are asked of the data that ship in data/paper, as far as they are there.

Figures 1 to 3 and the data set itself need samples; Figures 4 to 10 need what networks predicted.
"""

from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data" / "paper"
NEEDS = {"test_data_set.py": "split.json", "test_networks.py": "patch.nc"}
collect_ignore = [name for name, needed in NEEDS.items() if not (DATA / needed).is_file()]
