"""Adds the parameters of every estimator of the installed scikit-learn to a table.

    python3 parameters.py ../../src/sklearn/parameters.txt

Run it with each scikit-learn version the engine opens: the table keeps what older ones had.
"""

import inspect
import sys

from sklearn.utils import all_estimators

path = sys.argv[1]
table = {}
try:
    for line in open(path):
        name, *parameters = line.split()
        table[name] = set(parameters)
except FileNotFoundError:
    pass
classes = dict(all_estimators())
try:
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401

    classes.update(all_estimators())
except ImportError:
    pass
for name, cls in classes.items():
    # a class may set what its parents' constructors take
    constructors = [vars(ancestor)["__init__"] for ancestor in cls.__mro__[:-1] if "__init__" in vars(ancestor)]
    signatures = [inspect.signature(constructor) for constructor in constructors]
    parameters = {name for signature in signatures for name in signature.parameters}
    parameters -= {"self", "args", "kwargs", "kwds"}
    table.setdefault(name, set()).update(parameters)
with open(path, "w") as file:
    for name in sorted(table):
        print(name, *sorted(table[name]), file=file)
