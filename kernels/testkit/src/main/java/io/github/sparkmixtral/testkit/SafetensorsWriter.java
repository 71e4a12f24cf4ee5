package io.github.sparkmixtral.testkit;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Writes safetensors files, sound ones from tensors and lying ones from a header. */
public final class SafetensorsWriter {
    private final List<String> entries = new ArrayList<>();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();

    /** A tensor of any dtype with any bytes. */
    public SafetensorsWriter tensor(String name, String dtype, byte[] bytes, long... shape) {
        entries.add("\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, dtype, Arrays.toString(shape), data.size(), data.size() + bytes.length));
        data.writeBytes(bytes);
        return this;
    }

    /** The file's bytes. */
    public byte[] build() {
        return file("{\"__metadata__\":{\"format\":\"pt\"}," + String.join(",", entries) + "}", data.toByteArray());
    }

    /** A file of any header and any data. */
    public static byte[] file(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(data)
                .array();
    }
}
