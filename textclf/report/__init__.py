"""Reports to look at in a browser: one HTML file that loads nothing from elsewhere and runs no script."""

from textclf.report.collect import Gathered
from textclf.report.comparison import write_comparison_report
from textclf.report.page import RunDetails, describe_files
from textclf.report.write import check_report_available, write_evaluation_report, write_training_report

__all__ = [
    "Gathered",
    "RunDetails",
    "check_report_available",
    "describe_files",
    "write_comparison_report",
    "write_evaluation_report",
    "write_training_report",
]
