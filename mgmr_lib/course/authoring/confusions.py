"""What is easily taken for what: operators and function names that a slip exchanges."""

import ast

SWAPPED = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div, ast.Mod],
    ast.Mod: [ast.FloorDiv],
    ast.Pow: [ast.Mult],
    ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr],
    ast.BitOr: [ast.BitAnd, ast.BitXor],
    ast.BitXor: [ast.BitOr],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
CONFUSED = {  # names of functions and methods that stand for one another in a slip
    "min": ["max"], "max": ["min"], "amin": ["amax"], "amax": ["amin"], "any": ["all"], "all": ["any"],
    "argmin": ["argmax"], "argmax": ["argmin"], "sum": ["mean", "prod"], "mean": ["sum", "median"],
    "median": ["mean"], "sin": ["cos"], "cos": ["sin"], "exp": ["expm1", "exp2"], "log": ["log2", "log10", "log1p"],
    "log1p": ["log"], "expm1": ["exp"], "floor": ["ceil"], "ceil": ["floor"], "round": ["int", "floor", "ceil"],
    "int": ["round"], "tanh": ["sigmoid"], "sigmoid": ["tanh"], "silu": ["sigmoid", "relu"], "relu": ["silu"],
    "softplus": ["exp", "relu"], "zeros": ["ones"], "ones": ["zeros"], "zeros_like": ["ones_like"],
    "ones_like": ["zeros_like"], "cumsum": ["cumprod"], "cumprod": ["cumsum"], "minimum": ["maximum"],
    "maximum": ["minimum"], "softmax": ["log_softmax", "sigmoid"], "log_softmax": ["softmax"], "stack": ["cat"],
    "std": ["var"], "var": ["std"], "abs": ["square"], "square": ["abs"], "fmod": ["remainder"],
}  # fmt: skip
EITHER_WAY = {"min", "max", "minimum", "maximum"}  # functions whose arguments may change places
SILENT_KEYWORDS = {"strict", "dtype", "device"}  # their loss changes no value that a check should look at
