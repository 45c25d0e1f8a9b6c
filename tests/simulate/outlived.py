"""Two workers that never finish: `python -m tests.simulate.outlived`. Each writes a line when it begins."""

import os
import threading

from trimtab.simulate.experiment import spread


def work(task: int) -> None:
    os.write(1, b"working\n")
    threading.Event().wait()


if __name__ == "__main__":
    spread(work, range(2), processes=2)
