"""Kept weights that were lost while a run trained, before its test reads them."""

import os

from nlp import weights
from nlp.module import TranslationModule
from workload.files import put_aside
from workload.member import RunLog


def mend_weights(log: RunLog, module: TranslationModule, best: int) -> None:
    """Have the weights that a test reads, as far as they can be had; a remark says what cannot.

    Those of the last epoch are the module's own. Where those of the best epoch are lost, the last
    epoch stands for it; the mean of the last epochs is without what is lost.

    Args:
        log: the run's.
        module: as its last epoch has left it.
        best: the epoch with the best validation.
    """
    run, last = log.path, module.position.epoch
    for epoch in range(max(1, last + 1 - module.recipe.average_last), last + 1):
        file = weights.file_of(run, epoch)
        if weights.is_sound(file):
            continue
        if os.path.lexists(file):
            put_aside(file)
        if epoch == last:
            weights.save(run, epoch, module.model, module.recipe, module.corpus)
        else:
            log.remark(f"weights/{file.name} was lost: the averaged weights are without it")
    if weights.is_sound(file := run / "weights" / "best.pt"):
        return
    if os.path.lexists(file):
        put_aside(file)
    of_best = weights.file_of(run, best)
    if weights.is_sound(of_best):
        weights.mark_best(of_best)
    else:
        log.remark(f"weights/best.pt was lost: its scores are those of the last epoch, {last}")
        weights.mark_best(weights.file_of(run, last))
