"""Other programs' ways to what our methods find: a file for each program, and the table of all contests."""

from explain_core.bench.rivals import captum_attr, foolbox_attacks, grad_cam, plain_rise

RIVALS = (*captum_attr.RIVALS, *grad_cam.RIVALS, *plain_rise.RIVALS, *foolbox_attacks.RIVALS)
