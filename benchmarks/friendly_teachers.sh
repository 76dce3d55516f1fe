#!/bin/bash
# Trains everything that docs/results/friendly-teachers.md reports, in the order of that page.
#
#     DIDACT_DATA=... OMP_NUM_THREADS=1 nice -n 19 bash benchmarks/friendly_teachers.sh STORE [lines|length|rivals|gentler|longer|teachers|students|augmented|features|schedule]
#
# "lines" (the default) trains the page's lines 1 to 10 on all images, "length" its line 13 on 5,000, "rivals" its lines 14 to 18,
# "gentler" its lines 19 and 21, "longer" its line 20, "teachers" its lines 22 to 24 and 30, "students" its lines 25, 26 and 32,
# "augmented" its lines 27 and 29, "features" its line 28, and "schedule" its line 31.
#
# It can be stopped and started again at any time: finished runs are read, an unfinished one continues after its last epoch.
set -eu
store=${1:?write the folder of the store}
part=${2:-lines}

train_by() {
    echo "== $*"
    python -m didact train --store "$store" --data cifar100 --data.size 16 --precision fp32 --test-every 5 --seeds 3 "$@"
}

short() {
    train_by --recipe short --recipe.batch_size 64 "$@"
}

train() {
    short --recipe.learning_rate 0.05 "$@"
}

# 13. The same pair on 50 images a class, at four lengths.
if [ "$part" = length ]; then
    for epochs in 60 240 120 30; do
        train --data.per_class 50 --epochs $epochs --teacher.net resnet20 --net resnet8 --method kd,ce --teacher.method standard
        train --data.per_class 50 --epochs $epochs --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn
    done
    exit
fi

# 14 to 18. Line 13 at 240 epochs: other explanations of its gain, and more teachers.
if [ "$part" = rivals ]; then
    rival() {
        train --data.per_class 50 --epochs 240 --teacher.net resnet20 --net resnet8 --method kd "$@"
    }
    rival --teacher.method sftn --teacher.method.kl_weight 0
    rival --teacher.method ce --teacher.method.label_smoothing 0.1
    rival --teacher.method standard,sftn --teacher.seed 1
    rival --teacher.method standard --teacher.recipe.epochs 60
    rival --teacher.method standard --method.temperature 8
    rival --teacher.method standard,sftn --teacher.seed 2
    exit
fi

# 19 and 21. Line 13 at 60 epochs: teachers that start more gently, and the control of the last one.
if [ "$part" = gentler ]; then
    gentler() {
        train --data.per_class 50 --epochs 60 --teacher.net resnet20 --net resnet8 --method kd "$@"
    }
    gentler --teacher.method standard,sftn
    gentler --teacher.method sftn --teacher.method.warmup 0.5
    gentler --teacher.method sftn --teacher.method.kl_weight 1
    gentler --teacher.method sftn --teacher.start standard
    gentler --teacher.method standard --teacher.recipe.epochs 120  # 21. as long as the last one in all
    exit
fi

# 20. The gentlest of them in a long training.
if [ "$part" = longer ]; then
    train --data.per_class 50 --epochs 240 --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn \
        --teacher.method.kl_weight 1
    exit
fi

# 22 to 24 and 30. Line 13 with teachers that train longer or shorter than their students, and with a generic teacher.
if [ "$part" = teachers ]; then
    teachers() {
        train --data.per_class 50 --teacher.net resnet20 --net resnet8 --method kd "$@"
    }
    for length in 120 480; do
        teachers --epochs 240 --teacher.method standard --teacher.recipe.epochs $length
    done
    teachers --epochs 60 --teacher.method standard,sftn --teacher.recipe.epochs 240
    teachers --epochs 240 --teacher.method sftn --teacher.recipe.epochs 60
    for epochs in 60 240; do
        teachers --epochs $epochs --teacher.method gtn --teacher.method.pool tiny
    done
    exit
fi

# 25 and 26. Line 13 for a larger and for a smaller student.
if [ "$part" = students ]; then
    for net in resnet14 basic-8-1x8-1x16-1x32; do
        for epochs in 60 240; do
            train --data.per_class 50 --epochs $epochs --teacher.net resnet20 --net $net --method kd --teacher.method standard,sftn
        done
    done
    # 32. A student of another kind.
    short --data.per_class 50 --epochs 60 --teacher.net resnet20 --net mobilenet_v2 --method kd --teacher.method standard,sftn \
        --recipe.learning_rate 0.01 --teacher.recipe.learning_rate 0.05
    exit
fi

# 27 and 29. Few images, which a teacher learns by heart, or, with strong augmentation, does not.
if [ "$part" = augmented ]; then
    augmented() {
        train --data.per_class 20 --teacher.net resnet20 --net resnet8 --method kd --teacher.method standard,sftn "$@"
    }
    augmented --epochs 240
    augmented --epochs 240 --data.randaugment 15 --data.erase 0.5
    augmented --epochs 480 --data.randaugment 15 --data.erase 0.5
    exit
fi

# 28. Line 13 at 240 epochs by methods on features.
if [ "$part" = features ]; then
    train --data.per_class 50 --epochs 240 --teacher.net resnet20 --net resnet8 --method fitnet+kd,sp+kd --teacher.method standard,sftn
    exit
fi

# 31. Line 13 at 240 epochs by the papers' schedule.
if [ "$part" = schedule ]; then
    train_by --recipe paper --data.per_class 50 --teacher.net resnet20 --net resnet8 --method kd --teacher.method standard,sftn
    exit
fi

# 1. A standard teacher; students alone and taught by it.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd,ce --teacher.method standard
# 2. SFTN as published.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn
# 3. A student nearer to its teacher.
train --epochs 40 --teacher.net resnet20 --net resnet14 --method kd,ce --teacher.method standard
train --epochs 40 --teacher.net resnet20 --net resnet14 --method kd --teacher.method sftn
# 4. A second teacher of each kind.
for net in resnet8 resnet14; do
    train --epochs 40 --teacher.net resnet20 --teacher.seed 1 --net $net --method kd --teacher.method standard,sftn
done
# 5. SFTN with its branch terms warmed up over the first half.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn --teacher.method.warmup 0.5
# 7. A lighter KL, and none: deep supervision alone.
for weight in 1 0; do
    train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn --teacher.method.kl_weight $weight
done
# 8. SFTN fine-tuned from the standard teacher.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method sftn --teacher.start standard
# 9. Other ways to softer targets: a shorter training of the teacher, label smoothing, a higher temperature.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method standard --teacher.recipe.epochs 20
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --teacher.method ce --teacher.method.label_smoothing 0.1
train --epochs 40 --teacher.net resnet20 --net resnet8 --method kd --method.temperature 8 --teacher.method standard
# 10. Two methods on features.
train --epochs 40 --teacher.net resnet20 --net resnet8 --method fitnet+kd,sp+kd --teacher.method standard,sftn
