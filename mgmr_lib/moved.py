"""Old module names, for learners' own copies of notebooks from the release before chapters became folders.

An import of an old name gives the module where it lives now, the same object. The table serves one release: delete this
file and the line in `mgmr_lib/__init__.py` after it.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

_TABLE = """
    course.build -> course.authoring.build
    course.checks.ch00 -> chapters.ch00_start_here.exercises
    course.checks.ch01 -> chapters.ch01_recurrence.exercises
    course.checks.ch02 -> chapters.ch02_three_views.exercises
    course.checks.ch03 -> chapters.ch03_selection.exercises
    course.checks.ch04 -> chapters.ch04_parallel_scan.exercises
    course.checks.ch05 -> chapters.ch05_mamba_block.exercises
    course.checks.ch06 -> chapters.ch06_gpu_kernels.exercises
    course.checks.ch07 -> chapters.ch07_both_directions.exercises
    course.checks.ch08 -> chapters.ch08_meet_the_data.exercises
    course.checks.ch09 -> chapters.ch09_break_the_data.exercises
    course.checks.ch10 -> chapters.ch10_metrics_and_traps.exercises
    course.checks.ch11 -> chapters.ch11_encoders_and_baselines.exercises
    course.checks.ch12 -> chapters.ch12_alignment.exercises
    course.checks.ch13 -> chapters.ch13_fusion.exercises
    course.checks.ch14 -> chapters.ch14_reconstruction.exercises
    course.checks.ch15 -> chapters.ch15_mgmr_net.exercises
    course.checks.ch16 -> chapters.ch16_hybrid_attention.exercises
    course.checks.ch17 -> chapters.ch17_macro_fusion.exercises
    course.checks.ch18 -> chapters.ch18_micro_fusion.exercises
    course.checks.ch19 -> chapters.ch19_mfmb_net.exercises
    course.checks.ch20 -> chapters.ch20_train_both.exercises
    course.checks.ch21 -> chapters.ch21_missing_rates.exercises
    course.checks.ch22 -> chapters.ch22_ablations.exercises
    course.checks.ch23 -> chapters.ch23_complexity.exercises
    course.checks.ch24 -> chapters.ch24_case_study.exercises
    course.counting -> chapters.shared.counting
    course.dashboard -> chapters.ch24_case_study.dashboard
    course.figures_ch08 -> chapters.ch08_meet_the_data.figures
    course.figures_ch09 -> chapters.ch09_break_the_data.figures
    course.figures_ch10 -> chapters.ch10_metrics_and_traps.figures
    course.figures_ch11 -> chapters.ch11_encoders_and_baselines.figures
    course.figures_ch12 -> chapters.ch12_alignment.figures
    course.figures_ch13 -> chapters.ch13_fusion.figures
    course.figures_ch14 -> chapters.ch14_reconstruction.figures
    course.figures_ch15 -> chapters.ch15_mgmr_net.figures
    course.figures_ch16 -> chapters.ch16_hybrid_attention.figures
    course.figures_ch17 -> chapters.ch17_macro_fusion.figures
    course.figures_ch18 -> chapters.ch18_micro_fusion.figures
    course.figures_ch19 -> chapters.ch19_mfmb_net.figures
    course.figures_ch20 -> chapters.ch20_train_both.figures
    course.figures_ch21 -> chapters.ch21_missing_rates.figures
    course.figures_ch22 -> chapters.ch22_ablations.figures
    course.figures_ch23 -> chapters.ch23_complexity.figures
    course.figures_ch24 -> chapters.ch24_case_study.figures
    course.figures_experiments -> chapters.shared.experiment_figures
    course.figures_partI -> chapters.shared.part_one_figures
    course.fingerprints -> chapters.ch08_meet_the_data.fingerprints
    course.lint -> course.authoring.lint
    course.lint_course -> course.authoring.lint_course
    course.lint_outputs -> course.authoring.lint_outputs
    course.lint_source -> course.authoring.lint_source
    course.listing -> chapters.ch06_gpu_kernels.listing
    course.mixed -> course.authoring.mixed
    course.operations -> chapters.ch23_complexity.operations
    course.pages -> course.authoring.pages
    course.pytest_budget -> course.authoring.pytest_budget
    course.recorded -> chapters.ch06_gpu_kernels.recorded
    course.sonify -> chapters.ch08_meet_the_data.sonify
    course.source -> course.authoring.source
    course.testing -> course.authoring.testing
    course.tiny_text -> chapters.ch05_mamba_block.tiny_text
    data.classroom_features -> data.classroom.features
    data.classroom_splits -> data.classroom.splits
    data.hub -> data.download.hub
    data.masked -> data.batch
    data.mmsa_export -> data.mmsa.export
    data.pickle_names -> data.mmsa.pickle_names
    data.pinned -> data.download.pinned
    data.ratings -> data.classroom.ratings
    data.safe_pickle -> data.mmsa.safe_pickle
    data.sources -> data.download.sources
    evaluation.complexity -> experiments.complexity
    evaluation.cost_tables -> experiments.cost_tables
    evaluation.evaluation -> evaluation.missing_rates
    evaluation.figures -> experiments.figures
    evaluation.ledger -> experiments.ledger
    evaluation.plan -> experiments.plan
    evaluation.reproduce -> experiments.reproduce
    evaluation.results_page -> experiments.results_page
    evaluation.sweep -> experiments.sweep
    evaluation.tables -> experiments.tables
    models.alignment -> models.mgmr.alignment
    models.encoders -> models.mgmr.encoders
    models.fusion -> models.mgmr.fusion
    models.hybrid_attention -> models.mfmb.hybrid_attention
    models.macro_fusion -> models.mfmb.macro_fusion
    models.mfmb_code -> models.mfmb.published_code
    models.mfmb_net -> models.mfmb.network
    models.mfmb_reconstruction -> models.mfmb.reconstruction
    models.mgmr_net -> models.mgmr.network
    models.micro_fusion -> models.mfmb.micro_fusion
    models.reconstruction -> models.mgmr.reconstruction
    models.toy_fusion -> chapters.ch13_fusion.toys
    models.toy_stress -> chapters.ch18_micro_fusion.toys
    models.toy_tasks -> chapters.ch12_alignment.toys
    models.toy_tasks_attention -> chapters.ch16_hybrid_attention.toys
    models.toy_tasks_hub -> chapters.ch17_macro_fusion.toys
    ssm.arguments -> ssm.engines.arguments
    ssm.backends -> ssm.engines.backends
    ssm.chunk_layout -> ssm.engines.chunk_layout
    ssm.chunked -> ssm.engines.chunked
    ssm.chunked_backward -> ssm.engines.chunked_backward
    ssm.conv -> ssm.engines.conv
    ssm.loop -> ssm.engines.loop
    ssm.mamba_cuda -> ssm.engines.mamba_cuda
    ssm.memory -> chapters.ch02_three_views.memory
    ssm.memory_traffic -> chapters.ch06_gpu_kernels.memory_traffic
    ssm.native -> ssm.engines.native
    ssm.native_call -> ssm.engines.native_call
    ssm.native_scan -> ssm.engines.native_scan
    ssm.reference -> ssm.engines.reference
    ssm.roofline -> chapters.ch06_gpu_kernels.roofline
    ssm.toy_block -> chapters.ch05_mamba_block.toys
    ssm.toy_language -> chapters.ch05_mamba_block.language
    ssm.toy_tasks -> chapters.ch03_selection.toys
    ssm.toy_tasks_bidirectional -> chapters.ch07_both_directions.toys
    ssm.triton_adapter -> ssm.engines.triton_adapter
    ssm.triton_scan -> ssm.engines.triton_scan
    training.filling -> chapters.ch14_reconstruction.toys
"""
MOVED = {
    f"mgmr_lib.{old}": f"mgmr_lib.{new}"
    for old, new in (line.split(" -> ") for line in _TABLE.split("\n") if " -> " in line)
    for old in [old.strip()]
}
PACKAGES = {"mgmr_lib.course.checks"}  # packages that are no more, and lead to moved modules


class _Loader(importlib.abc.Loader):
    """Gives the module at its new place; an old package becomes an empty one."""

    def create_module(self, spec):
        return None if spec.name in PACKAGES else importlib.import_module(MOVED[spec.name])

    def exec_module(self, module):
        """Nothing: a moved module has been executed under its new name."""


class Finder(importlib.abc.MetaPathFinder):
    """Finds old names; asked after all others, so a module that exists is never hidden."""

    def find_spec(self, name, path=None, target=None):
        if name in PACKAGES:
            return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)
        return importlib.machinery.ModuleSpec(name, _Loader()) if name in MOVED else None


def install() -> None:
    """Let old names be imported (once for each process)."""
    if not any(isinstance(f, Finder) for f in sys.meta_path):
        sys.meta_path.append(Finder())
