"""The figures of an evaluation, and of a training, as text for a terminal."""

import math
from textwrap import wrap

from textclf.analysis.compare import format_p
from textclf.analysis.cross_validation import CrossValidation
from textclf.analysis.evaluate import Answered, Measurement, PositiveFigures
from textclf.cli.text_table import COPIES_COUNT_ONCE, MANY_COPIES, WIDEST, columns_text, short
from textclf.errors import say_count, spell
from textclf.labels import join_labels
from textclf.metrics.multi_label import LabelScores, MultiLabelEvaluation
from textclf.metrics.single_label import Evaluation, find_weakest

_WIDEST_MATRIX = 12  # classes; beyond that, or wider than a terminal, the most frequent confusions are listed
_CONFUSIONS = 10


def measurement_text(measurement: Measurement) -> str:
    """Return the figures as lines: overall, for each class, and the confusion matrix."""
    evaluation = measurement.evaluation
    if isinstance(evaluation, MultiLabelEvaluation):
        return _multi_label_text(evaluation)
    majority, share = evaluation.majority
    figures = [
        f"accuracy {evaluation.accuracy:.4f}",
        f"macro-F1 {evaluation.macro_f1:.4f}",
        f"({say_count(evaluation.n, 'text')})",
    ]
    lines = [
        "   ".join(figures),
        f"majority baseline: always {short(majority)!r}, accuracy {share:.4f}",
        *_further_figures(evaluation),
        *_calibration(measurement, evaluation),
        *_decisions(measurement),
        _known_words(evaluation),
        "",
        *_per_class(evaluation),
        "",
        *(_answers(measurement.answered) if measurement.answered is not None else ()),
        *(_positive_curve(measurement.positive) if measurement.positive is not None else ()),
    ]
    matrix = _matrix(evaluation)
    fits = len(evaluation.labels) <= _WIDEST_MATRIX and max(map(len, matrix)) <= WIDEST
    return "\n".join(lines + (matrix if fits else _commonest_confusions(evaluation)))


def cross_validation_text(found: CrossValidation) -> str:
    """Return the figures of each fold, one a line, then those of all judged rows together."""
    first = ("micro-F1", "micro_f1") if isinstance(found.folds[0], MultiLabelEvaluation) else ("accuracy", "accuracy")
    rows = [["fold", "texts", first[0], "macro-F1"]]
    for number, each in enumerate(found.folds, 1):
        figures = each.summary()
        rows.append([str(number), f"{each.n:,}", f"{figures[first[1]]:.4f}", f"{figures['macro_f1']:.4f}"])
    left = int((found.fold < 0).sum())
    note = [f"not judged: {say_count(left, 'row')} of labels that no other fold has"] if left else []
    return "\n".join([*columns_text(rows), *note, "", "all folds:", measurement_text(found.measurement)])


def _further_figures(evaluation: Evaluation) -> list[str]:
    """Return the lines of intervals, agreement beyond chance, and how well scores rank."""
    intervals = evaluation.intervals
    agreement = f"balanced accuracy {evaluation.balanced_accuracy:.4f}, Matthews correlation {evaluation.mcc:.4f}"
    if evaluation.kappa is not None:
        agreement += f", Cohen's kappa {evaluation.kappa:.4f}"
    lines = [f"95% intervals: accuracy {_span(intervals.accuracy)}, macro-F1 {_span(intervals.macro_f1)}"]
    if evaluation.independent < MANY_COPIES:
        lines.append(f"  {COPIES_COUNT_ONCE}")
    lines.append(agreement)
    ranking = []
    if evaluation.top_3_accuracy is not None:
        ranking.append(f"top-3 accuracy {evaluation.top_3_accuracy:.4f}")
    lines.append(", ".join([*ranking, *_ranking(evaluation)]))
    order = evaluation.ordinal
    if order is not None:
        kappa = "" if order.quadratic_kappa is None else f", quadratic kappa {order.quadratic_kappa:.4f}"
        error = f"mean absolute error {order.mean_absolute_error:.4f}, within one step {order.within_one:.1%}"
        lines.append(f"ordered labels: {error}{kappa}")
    return [line for line in lines if line]


def _ranking(evaluation: Evaluation | MultiLabelEvaluation) -> list[str]:
    figures = {
        "ROC AUC": evaluation.ranking.macro_roc_auc,
        "average precision": evaluation.ranking.macro_average_precision,
    }
    return [f"{name} {value:.4f}" for name, value in figures.items() if value is not None]


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _calibration(measurement: Measurement, evaluation: Evaluation) -> list[str]:
    def figures(evaluation: Evaluation) -> str:
        ece = evaluation.reliability.ece
        return f"calibration error {ece:.4f}, Brier score {evaluation.brier:.4f}, log loss {evaluation.log_loss:.4f}"

    lines = [figures(evaluation)]
    if measurement.uncalibrated is not None:
        lines.append(f"  before calibration: {figures(measurement.uncalibrated)}")
    return lines


def _decisions(measurement: Measurement) -> list[str]:
    """Return the lines of what the decision rule came to: answers and promise, costs, the label looked for."""
    lines, answered, costs, positive = [], measurement.answered, measurement.costs, measurement.positive
    if answered is not None:
        precision = "nothing answered" if answered.precision is None else f"precision {answered.precision:.4f}"
        rule = "abstention" if answered.target is None else f"target precision {answered.target:g}"
        lines.append(f"{rule}: coverage {answered.coverage:.1%}, {precision}")
        if answered.is_broken and answered.p_value is not None:
            lines.append(f"  significantly below the promise (binomial test: p {format_p(answered.p_value)})")
            lines.append(
                "  These rows may differ from the training data. Train on such rows, or ask for a higher precision."
            )
    if costs is not None:
        low, high = costs.interval
        lines.append(f"cost of 1,000 rows: {costs.per_1000:.2f} (95% interval {low:.2f} to {high:.2f})")
        lines.append(f"  expected by the model {costs.expected:.2f}; with the likeliest label {costs.likeliest:.2f}")
        lines.append(f"  always {short(costs.cheapest)!r} {costs.constant:.2f}")
    if positive is not None:
        lines.append(f"{short(positive.label)!r} from {positive.threshold:.4f} on: precision {positive.precision:.4f},"
                     f" recall {positive.recall:.4f}, F1 {positive.f1:.4f}")  # fmt: skip
        if positive.is_broken and positive.p_value is not None:
            lines.append(f"  significantly below the promise (binomial test: p {format_p(positive.p_value)})")
    return lines


def _answers(answered: Answered) -> list[str]:
    """Return the threshold, coverage and precision of each class."""
    rows = [["predicted", "threshold", "rows", "answered", "precision"]]
    for label, each in answered.per_class.items():
        if each.predicted:
            threshold = f"{each.threshold:.4f}" if math.isfinite(each.threshold) else "never"
            precision = "–" if each.precision is None else f"{each.precision:.4f}"
            rows.append([short(label), threshold, f"{each.predicted:,}", f"{each.answered:,}", precision])
    lower = [f"{short(label)!r} {each.alternative:g}" for label, each in answered.per_class.items() if each.alternative]
    more = f" and {len(lower) - _CONFUSIONS:,} more" if len(lower) > _CONFUSIONS else ""
    alternatives = (
        [f"never given at this target; the highest possible: {', '.join(lower[:_CONFUSIONS])}{more}"] if lower else []
    )
    return [*columns_text(rows), *(line for each in alternatives for line in wrap(each, WIDEST)), ""]


def _positive_curve(positive: PositiveFigures) -> list[str]:
    """Return what thresholds for the label that is looked for would give on these rows."""
    rows = [[f"{short(positive.label)} from", "precision", "recall"]]
    rows += [[f"{each.threshold:.4f}", f"{each.precision:.4f}", f"{each.recall:.4f}"] for each in positive.curve]
    return [*columns_text(rows), ""]


def _multi_label_text(evaluation: MultiLabelEvaluation) -> str:
    names = ["precision", "recall", "F1"]
    overall = [["", *names]]
    overall += [
        [name, *(f"{figure:.4f}" for figure in figures)]
        for name, figures in (("micro", evaluation.micro), ("macro", evaluation.macro))
    ]
    figures = [
        f"exact match {evaluation.exact_match:.4f}",
        f"Hamming loss {evaluation.hamming_loss:.4f}",
        f"log loss {evaluation.log_loss:.4f}",
        f"({say_count(evaluation.n, 'text')})",
    ]
    exact, micro_f1 = evaluation.baseline
    always = repr(short(join_labels(evaluation.commonest))) if evaluation.commonest else "no label"
    return "\n".join(
        [
            *columns_text(overall),
            "",
            "   ".join(figures),
            f"majority baseline: always {always}, exact match {exact:.4f}, micro-F1 {micro_f1:.4f}",
            *filter(None, [", ".join(_ranking(evaluation))]),
            _known_words(evaluation),
            "",
            *_per_class(evaluation),
        ]
    )


def _known_words(evaluation: Evaluation | MultiLabelEvaluation) -> str:
    unknown = f"; {say_count(evaluation.empty, 'text')} without a known word" if evaluation.empty else ""
    return f"vector coverage: {evaluation.known_words:.1%} of tokens{unknown}"


def _per_class(evaluation: Evaluation | MultiLabelEvaluation) -> list[str]:
    rows = [["class", "precision", "recall", "F1", "support"]]
    for label, scores in evaluation.per_class.items():
        figures = [scores.precision, scores.recall, scores.f1]
        losses = [f"{scores.log_loss:.4f}"] if isinstance(scores, LabelScores) else []
        rows.append([short(label), *(f"{figure:.4f}" for figure in figures), f"{scores.support:,}", *losses])
    if isinstance(evaluation, MultiLabelEvaluation):
        rows[0] = ["label", *rows[0][1:], "log loss"]
    return columns_text(rows)


def _matrix(evaluation: Evaluation) -> list[str]:
    labels = [short(label) for label in evaluation.labels]
    rows = [["true \\ predicted", *labels]]
    rows += [[label, *map(str, counts)] for label, counts in zip(labels, evaluation.matrix.tolist(), strict=True)]
    return columns_text(rows)


def _commonest_confusions(evaluation: Evaluation) -> list[str]:
    pairs = evaluation.commonest_confusions(_CONFUSIONS)
    if not pairs:
        return ["no errors"]
    rows = [["most frequent confusions: true", "predicted", "texts"]]
    rows += [[short(truth), short(predicted), str(count)] for truth, predicted, count in pairs]
    return columns_text(rows)


# --- after a training ----------------------------------------------------------------------------------------------

_FEW_TEXTS = 20  # to validate a class on


def validation_text(validation: Evaluation | MultiLabelEvaluation | None) -> str:
    """Return the figures of validation rows, if there are any, in one line."""
    if validation is None:
        return "no validation rows"
    found = validation.summary()
    if isinstance(validation, MultiLabelEvaluation):
        first, baseline = f"micro-F1 {found['micro_f1']:.4f}", validation.baseline[1]
    else:
        first, baseline = f"accuracy {found['accuracy']:.4f}", validation.majority[1]
    scores = f"validation {first} (majority baseline {baseline:.4f}), macro-F1 {found['macro_f1']:.4f}"
    return f"{scores} ({say_count(validation.n, 'text')})"


def baseline_doubt(validation: Evaluation | MultiLabelEvaluation | None) -> str | None:
    """Return why a model of one label a text does no better than an answer that is always the same, if it does not."""
    if not isinstance(validation, Evaluation):
        return None
    label, share = validation.majority
    given = validation.matrix.sum(axis=0)
    if (given > 0).sum() == 1:
        found = f"every validation text is labelled {validation.labels[int(given.argmax())]!r}"
    elif validation.accuracy <= share:
        found = f"validation accuracy is no better than that of always answering {label!r}"
    else:
        return None
    return f"{found}. Check that text and label columns are right, and add rows of the rarer labels."


def training_text(validation: Evaluation | MultiLabelEvaluation, model: str, table: str) -> list[str]:
    """Return the lines for a model and the table that it was trained on, given the figures of validation rows."""
    weakest = find_weakest(validation.per_class)
    lines = [_sure_of(validation)]
    if weakest is not None:
        label, scores = weakest
        lines.append(f"weakest class: {short(label)!r}, F1 {scores.f1:.4f} ({say_count(scores.support, 'text')})")
    lines.append(f"next: {_what_to_do(validation, spell(model), spell(table))}")
    return [f"  {line}" for line in lines]


def _sure_of(validation: Evaluation | MultiLabelEvaluation) -> str:
    if isinstance(validation, MultiLabelEvaluation):
        low, high = validation.intervals["exact_match"]
        exact, _ = validation.baseline
        return f"exact match {validation.exact_match:.4f} (95% interval {low:.3f} to {high:.3f}); baseline {exact:.4f}"
    low, high = validation.intervals.accuracy
    return f"95% interval of accuracy: {low:.3f} to {high:.3f}"


def _what_to_do(validation: Evaluation | MultiLabelEvaluation, model: str, table: str) -> str:
    if isinstance(validation, MultiLabelEvaluation):
        low, baseline = validation.intervals["exact_match"][0], validation.baseline[0]
    else:
        low, baseline = validation.intervals.accuracy[0], validation.majority[1]
    if low <= baseline:
        return f"not significantly better than the baseline: find wrong labels with textclf check {table}, or add rows"
    weakest = find_weakest(validation.per_class)
    if weakest is not None and weakest[1].support < _FEW_TEXTS and weakest[1].f1 < 1:
        return f"add rows of {short(weakest[0])!r}: {say_count(weakest[1].support, 'text')} to validate on say little"
    return f"textclf evaluate {model} TEST.csv, on rows that are not in {table}"
