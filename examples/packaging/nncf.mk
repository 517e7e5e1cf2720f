# SPDX-License-Identifier: Apache-2.0
# libnncf inside of a program that has a plain Makefile: `include nncf.mk`, then link $(NNCF_LIB) -ljson-c -lm -pthread
# and compile with -I$(NNCF)/include. It is the minimal build: no BLIS, no PCRE2, no ONNX. On AArch64: NNCF_ISA = neon.
NNCF ?= nncf
NNCF_OBJECTS ?= nncf-objects
NNCF_ISA ?= avx2 avx512
NNCF_avx2 = -mavx2 -mfma
NNCF_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
NNCF_CFLAGS = -std=c11 -O3 -fPIC -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden -D_GNU_SOURCE -DNNCF__BUILD \
  -I$(NNCF)/include -I$(NNCF)/lib $(shell pkg-config --cflags json-c) $(shell echo $(addprefix -DNNCF__HAVE_,portable $(NNCF_ISA)) | tr a-z A-Z)
NNCF_SOURCES = $(filter-out %/regex.c %/exec/disabled.c %_sse42.c $(addprefix $(NNCF)/lib/,formats/onnx/% kernels/binary_% kernels/isa_% kernels/int8_% kernels/smooth_%), \
  $(wildcard $(NNCF)/lib/*/*.c $(NNCF)/lib/*/*/*.c)) $(addprefix $(NNCF)/lib/formats/onnx/,params.c disabled.c) \
  $(foreach isa,portable $(NNCF_ISA),$(wildcard $(NNCF)/lib/kernels/*_$(isa).c))
NNCF_LIB = $(NNCF_OBJECTS)/libnncf.a
$(NNCF_LIB): $(NNCF_SOURCES:$(NNCF)/%.c=$(NNCF_OBJECTS)/%.o)
	$(AR) rcs $@ $^
$(NNCF_OBJECTS)/%.o: $(NNCF)/%.c # flags of kernels by the end of their file's name
	@mkdir -p $(@D)
	$(CC) $(NNCF_CFLAGS) $(NNCF_$(lastword $(subst _, ,$*))) -c $< -o $@
