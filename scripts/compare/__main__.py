"""Compares Pinnace with a real Kubernetes control plane: same manifests, same commands, same objects?

    python3 scripts/compare --pinnace target/…/pinnace [--kubectl PATH] [--work FOLDER] [NAME …]

NAME is a scenario (`scenarios/NAME.txt`), `invalid`, or `updates`; without any, all run. See docs/compare.md.
"""

import argparse
import glob
import os
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
# Scenarios have namespaces of their own and hardly meet.
AT_ONCE = 3
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import nodes  # noqa: E402
import programs  # noqa: E402
from api import Side  # noqa: E402
from report import Report  # noqa: E402
from scenario import Scenario  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pinnace", help="the program to compare")
    parser.add_argument("--kubectl", default=shutil.which("kubectl"), help="which kubectl [default: the one on PATH]")
    parser.add_argument("--work", default=os.path.expanduser("~/.cache/pinnace-compare"), help="where the real programs are built")
    parser.add_argument("--port", type=int, default=7700, help="first of twenty ports on loopback")
    parser.add_argument("--ours", help="kubeconfig of a cluster that runs already, instead of --pinnace")
    parser.add_argument("--theirs", help="kubeconfig of a real one that runs already")
    parser.add_argument("--serve", action="store_true", help="start both, say where, and wait")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to compare")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="compare.")
    real = programs.Programs(os.path.join(folder, "oracle"))
    stop_ours = lambda: None  # noqa: E731
    try:
        theirs = options.theirs or programs.start_oracle(real, programs.build(options.work), options.port)
        ours = options.ours
        if not ours:
            ours, stop_ours = programs.start_pinnace(os.path.join(folder, "pinnace"), os.path.abspath(options.pinnace), options.port + 10)
        sides = [Side(name, config, options.kubectl, os.path.join(folder, name))
                 for name, config in (("ours", ours), ("theirs", theirs))]
        for side in sides:
            nodes.add_node(side)
        for one in sides[0].get(INGRESS_CLASSES)[1]["items"]:
            plain = {"metadata": {key: one["metadata"][key] for key in ("name", "annotations")}, "spec": one["spec"]}
            sides[1].request("POST", INGRESS_CLASSES, plain)
        if options.serve:
            print(f"ours:   {ours}\ntheirs: {theirs}\npress Enter to end", flush=True)
            sys.stdin.read(1)
            return 0
        return 1 if compare(options.names, *sides).finish() else 0
    finally:
        stop_ours()
        real.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compare(names, ours, theirs):
    report = Report(os.path.join(HERE, "known.txt"))
    paths = {os.path.splitext(os.path.basename(path))[0]: path for path in glob.glob(os.path.join(HERE, "scenarios", "*.txt"))}

    def run(name):
        Scenario(paths[name], ours, theirs, os.path.join(HERE, "manifests"), report).run()
        report.count("scenarios")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, [name for name in sorted(paths) if not names or name in names]))
    if not names or "invalid" in names:
        import invalid
        invalid.run(ours, theirs, report)
    return report


sys.exit(main())
