#!/bin/bash
# Networks of transformers on a part of Tiny ImageNet: a ResNet teaches a convolutional and an attention network.
#
#     DIDACT_DATA=... OMP_NUM_THREADS=1 bash benchmarks/foreign_pair.sh STORE [EPOCHS] [SIZE] [IMAGES] [METHODS]
#
# SIZE is that of the images, 32 or 64 (the patches of the attention network grow with it); IMAGES says how many of each of
# the 10 classes are for training. It can be stopped and started again. The last command prints the tables.
set -eu
store=${1:?write the folder of the store}
epochs=${2:-5} size=${3:-32} images=${4:-50} methods=${5:-kd,fitnet+kd,at+kd,sp+kd,crd,simkd}
teacher=hf:resnet+embedding_size=32+hidden_sizes=32/64/128/256+depths=1/1/1/1+layer_type=basic
conv=hf:regnet+embedding_size=16+hidden_sizes=16/32/64/96+depths=1/1/1/1+groups_width=8
attention=hf:vit+hidden_size=64+num_hidden_layers=4+num_attention_heads=2+intermediate_size=128+patch_size=$((size / 8))
data="--data tiny-imagenet --data.classes 10 --data.size $size --data.per_class $images"
recipe="--epochs $epochs --recipe.batch_size 50 --recipe.learning_rate 0.02 --precision fp32 --test-every 5"

python -m didact train --store "$store" $data $recipe --net $conv,$attention --method ce
python -m didact train --store "$store" $data $recipe --net $conv,$attention --teacher.net $teacher \
    --teacher.method standard,sftn --method $methods
python -m didact train --store "$store" $data $recipe --net $conv,$attention --teacher.net $teacher \
    --teacher.method gtn --teacher.method.pool $conv,$attention --method kd
python -m didact compare --store "$store" --format markdown
