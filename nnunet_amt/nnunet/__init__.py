"""All that touches nnU-Net: environment, hook, commands, planning, preprocessing, training, prediction, doctor."""
