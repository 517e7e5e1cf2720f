#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_weights.py OUT: what `save_file(model.state_dict())` writes for the network of docs/guide_pytorch.md."""
import json
import random
import struct
import sys

random.seed(1)
shapes = {'module.conv1.weight': [8, 3, 3, 3], 'module.bn1.weight': [8], 'module.bn1.bias': [8], 'module.bn1.running_mean': [8],
          'module.bn1.running_var': [8], 'module.bn1.num_batches_tracked': [], 'module.fc.weight': [4, 8], 'module.fc.bias': [4]}
header, data = {}, b''
for name, shape in shapes.items():
    count = 1
    for size in shape:
        count *= size
    begin = len(data)
    if name.endswith('tracked'):
        data += struct.pack('<q', 7)
    else:
        spread = 0.3 if len(shape) > 1 else 0.0
        middle = 1.0 if name in ('module.bn1.weight', 'module.bn1.running_var') else 0.0
        data += struct.pack(f'<{count}f', *(random.gauss(middle, spread) for _ in range(count)))
    header[name] = {'dtype': 'I64' if name.endswith('tracked') else 'F32', 'shape': shape, 'data_offsets': [begin, len(data)]}
text = json.dumps(header).encode()
text += b' ' * (-len(text) % 8)
with open(sys.argv[1], 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text + data)
