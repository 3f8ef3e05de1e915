"""Reports as plain text."""

from __future__ import annotations

from explain_core.bench.growth import GrowthReport
from explain_core.bench.methods import PATH, Report
from explain_core.bench.peers import PeerReport


def cost_table(report: Report) -> str:
    """What methods cost."""
    lines = [
        report.head(),
        f"{'method':<24}{'rho':>7}{'seconds':>10}{'units':>9}{'forward':>9}{'backward':>9}{'steps':>7}"
        f"{'per step':>10}{'per closure':>13}",
    ]
    for cost in report.costs:
        rho = "" if cost.rho is None else f"{cost.rho:g}"
        lines.append(
            f"{cost.method:<24}{rho:>7}{cost.seconds:>10.3f}{cost.units:>9.2f}{cost.forward:>9.1f}{cost.backward:>9.1f}"
            f"{cost.steps:>7}{_or_blank(cost.per_step):>10}{_or_blank(cost.per_closure):>13}"
        )
    if report.path:
        path = report.path
        lines.append(
            f"{path.method}, {len(PATH)} values of rho of one picture: {path.together:.3f} s as one batch, "
            f"{path.in_turn:.3f} s in turn ({path.share:.2f} of it)"
        )
    return "\n".join(lines)


def _or_blank(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def peer_table(report: PeerReport) -> str:
    """Ours against theirs; a ratio above 1 is time that we save."""
    lines = [
        report.head() + ", more where work is quick",
        f"{'method':<22}{'against':<62}{'ours':>8}{'theirs':>8}  {'ratio':>6}{'quartiles':>14}  agreement",
    ]
    for row in report.rows:
        against = f"{row.peer} {row.version}, {row.what}"
        ratio = f"{row.ratio:>6.2f}{f'{row.low:.2f} - {row.high:.2f}':>14}"
        agreement = ", ".join(f"{name} {value:.3g}" for name, value in row.agreement.items())
        way = f"; theirs with {row.way}" if row.way else ""
        lines.append(
            f"{row.method:<22}{against:<62}{row.ours_units:>8.2f}{row.theirs_units:>8.2f}  {ratio}  {agreement}{way}"
        )
    lines.append(f"ours and theirs in units; opening our model took {report.opening_seconds:.2f} s once, not counted")
    return "\n".join([*lines, *(f"without {text}" for text in report.left_out)])


def growth_table(report: GrowthReport) -> str:
    """A line for each point of each curve."""
    lines = [report.head()]
    for curve in report.curves:
        lines.append(f"{curve.title}, {curve.of}")
        lines += [f"{f'{curve.along} {p.at}':>16}{p.value:>12.2f} {curve.measure}" for p in curve.points]
    return "\n".join([*lines, *(f"without {text}" for text in report.left_out)])
