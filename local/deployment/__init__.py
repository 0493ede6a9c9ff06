"""`make deploy`: template.yaml as a stack, in an AWS account or in an emulated one on this machine."""
