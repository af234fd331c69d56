# Every target is a task of dev.py, which needs a Python >= 3.11 and nothing else.
TASKS := demo test lint types tests docs bench kill200 clean

.PHONY: $(TASKS)
$(TASKS):
	@python3 dev.py $@
