"""Computes what the plugins are expected to send, with libraries that others have written.

    python make.py            compares the committed expected.lp of each case with what is computed
    python make.py --write    writes input.lp and expected.lp
    python make.py PLUGIN     only cases of this plugin

`requirements.txt` has the libraries. `kapacitor-wasm test` compares the plugins with the same files.
"""

import argparse
import importlib
import sys
from pathlib import Path

import reference


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("plugins", nargs="*")
    given = arguments.parse_args()
    here = Path(__file__).parent
    for module in sorted(here.glob("cases_*.py")):
        importlib.import_module(module.stem)
    chosen = [case for case in reference.CASES if not given.plugins or case.plugin in given.plugins]
    if not chosen:
        sys.exit(f"no case of {given.plugins}")
    failed = 0
    for case in chosen:
        problems = case.run(given.write)
        print(f"{'FAILED' if problems else 'ok    '} {case.plugin}/{case.name}")
        for problem in problems[:5]:
            print(f"    {problem}")
        failed += bool(problems)
    print(f"{len(chosen) - failed} of {len(chosen)} cases are as computed")
    sys.exit(failed > 0)


main()
