package io.github.sparkmixtral.tornado;

/**
 * How many GPUs a model needs.
 *
 * @param format of its weights, such as {@code bf16} or {@code Q8_0}
 * @param devices how many
 * @param deviceBytes memory of each
 */
record DeviceNeed(String format, int devices, long deviceBytes) {

    @Override
    public String toString() {
        return "%d GPU%s of %d GiB as %s".formatted(devices, devices == 1 ? "" : "s", deviceBytes >> 30, format);
    }
}
