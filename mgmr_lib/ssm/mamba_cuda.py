"""Adapter to mamba_ssm's CUDA kernel, with the reasons why it may not serve a call."""
from ..errors import CourseError


def supports(args, wants_state):
    return "not written"


def cuda_scan(args):
    raise CourseError("not written")
