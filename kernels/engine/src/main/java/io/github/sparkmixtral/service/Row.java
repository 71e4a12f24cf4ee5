package io.github.sparkmixtral.service;

/** One row of {@link RecordSchema#REQUESTS}; all but the id may be null. */
record Row(String customId, String prompt, String messages, String tools, String parameters, String task) {}
