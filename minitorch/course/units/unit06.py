"""Unit 6: the loss of a classifier, and the loops around a net."""

from ..outline import Task, Unit

OPS, LOSS, TRAINING = "minitorch/ops/loss.py", "minitorch/nn/functional/loss.py", "minitorch/course/training.py"

UNIT = Unit(
    number=6,
    name="training",
    title="Training",
    hours=2.5,
    read=(TRAINING, LOSS, OPS, "minitorch/nn/linear.py"),
    tasks=(
        Task(
            id="6.1",
            title="cross-entropy: the negative logarithm of the right class's probability",
            files=(OPS, LOSS),
            write="`pick` takes one element of each row, `put` puts it back: give them their rules. Then compose "
            "cross-entropy of log_softmax and `_picked`, and find what the mean divides by.",
            hints=(
                "pick and put are a pair like indexing and placing. Both are linear, and take the same labels and the "
                "same factor.",
                "The rule of pick may ask for `g, labels, factor, x_shape`: how many classes there are is x_shape[1]. "
                "The mean is over rows whose label is not `ignore_index`, and each counts as much as its label's "
                "weight.",
                "counted is a comparison of labels with ignore_index. Without a table the divisor is the number of "
                "True in it, else the sum of `table[...]` at the labels that count; a float. Cross-entropy: "
                "`reducing.log_softmax_over(..., dim=1)` of `_rows(input)`, handed to `_picked` with the other "
                "arguments; return the first of the pair.",
            ),
            points=3,
            minutes=45,
        ),
        Task(
            id="6.2",
            title="an epoch of training",
            files=(TRAINING,),
            write="For each batch: scores, loss, forget old gradients, backward, step. Return the mean loss of all "
            "samples, as a float.",
            hints=(
                "Five lines of every training script in the world. In which order?",
                "Gradients add up over calls of backward. The mean loss of a batch of 2 must not count as much as "
                "that of a batch of 4.",
                "`net.train()`. In the loop: `cross_entropy(net(x), labels)`, `optimizer.zero_grad()`, "
                "`loss.backward()`, `optimizer.step()`; add `loss.item()` times the batch's size to a total, and the "
                "size to a count. Batches may come from an iterator: go over them once.",
            ),
            minutes=25,
        ),
        Task(
            id="6.3",
            title="accuracy, without the tape, in eval mode",
            files=(TRAINING,),
            write="Count how often the largest score is that of the label. Nothing is recorded, the net is in eval "
            "mode meanwhile, and afterwards in the mode in which it was.",
            hints=(
                "What would be different if the tape recorded? And if the net stayed in training mode?",
                "`scores.argmax(1)` is the class of each row; compared with the labels it gives bools, whose sum is a "
                "tensor; `item()` makes a number of it.",
                "Remember `net.training`; `net.eval()`; in `with no_grad():` loop over the batches, add up what is "
                "right and how many there are; `net.train(...)` with what you remembered; return the quotient.",
            ),
            minutes=25,
        ),
    ),
)
