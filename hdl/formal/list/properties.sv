// kvcpu_list4, a list of four: sorted, no item twice, and its head is the best of all that was offered since `clear` and not
// popped.
//
//   offers ─┬─► dut ──► head        One item, any one, is watched: `live` says whether it was offered since the last
//           └► live                 clear and not popped since. It is in the list, or beyond the bound.
//
// The watched item stands for all: the solver chooses it. The list keeps items inverted, so a worse one is less.

module formal(
    input wire clock,
    input wire reset,
    input wire clear,
    input wire finish,
    input wire pop,
    input wire offer,
    input wire [31:0] rank,
    input wire [16:0] index,
    input wire [7:0] position
);
    wire head_valid;
    wire [31:0] head_rank;
    wire [16:0] head_index;
    wire bounded;
    wire [31:0] bound_rank;
    wire [48:0] last_item;
    wire [7:0] count;
    wire [48:0] shown;

    kvcpu_list4 dut(
        .clock(clock), .reset(reset),
        .clear(clear), .finish(finish), .pop(pop), .offer(offer), .rank(rank), .index(index),
        .head_valid(head_valid), .head_rank(head_rank), .head_index(head_index),
        .bounded(bounded), .bound_rank(bound_rank),
        .last_item(last_item), .count(count), .position(position), .shown(shown)
    );

    // Registers of the design, joined by proof.toml; only what carries the induction looks at them.
    (* keep *) wire [4*49-1:0] cells;
    (* keep *) wire [48:0] bound;

    (* anyconst *) reg [48:0] watched;
    reg live = 0;
    reg popped = 0;
    reg started = 0;
    wire [48:0] head = {head_rank, head_index};
    wire beyond = bounded & watched[48:17] >= bound_rank;
    wire offered = offer & !clear & !finish & !pop & {rank, index} == watched;

    always @(posedge clock) begin
        started <= 1;
        if (offered) live <= 1;
        if (pop & !clear & !finish) popped <= 1;
        if (pop & !clear & !finish & head_valid & head == watched) live <= 0;
        if (reset | clear) begin
            live <= 0;
            popped <= 0;
        end
    end

    // The ports a clock ago: `shown` is about that clock.
    reg [7:0] count_before = 0;
    reg [7:0] position_before = 0;
    reg [48:0] first_before = 0;
    reg [48:0] last_before = 0;
    reg looked = 0;
    reg was_cut = 0;
    wire [48:0] first = head_valid ? ~head : 49'd0;
    always @(posedge clock) begin
        count_before <= count;
        position_before <= position;
        first_before <= first;
        last_before <= last_item;
        looked <= started & !reset;
        was_cut <= (was_cut | (last_before != 0 & last_item != last_before & last_item != 0)) & !clear & !reset;
    end

    // What is in the list.
    reg sorted;
    reg within;
    reg listed;
    reg [48:0] at_position;
    integer i;
    always @(*) begin
        sorted = 1;
        within = 1;
        listed = 0;
        at_position = 0;
        for (i = 0; i < 4; i = i + 1) begin
            if (i < 3)
                if (cells[49*i +: 49] <= cells[49*(i+1) +: 49] && cells[49*(i+1) +: 49] != 0) sorted = 0;
            if (cells[49*i +: 49] != 0 && cells[49*i +: 49] < bound) within = 0;
            if (cells[49*i +: 49] == ~watched) listed = 1;
            if (position == i) at_position = cells[49*i +: 49];
        end
    end

    reg [48:0] wanted = 0;
    always @(posedge clock) wanted <= reset ? 0 : at_position;
    wire [7:0] used = (cells[48:0] != 0) + (cells[97:49] != 0) + (cells[146:98] != 0) + (cells[195:147] != 0);

    always @(*) begin
        if (!started) assume (reset);
        // No entry has the highest index: an empty cell looks like it.
        assume (index != 17'h1ffff);
        assume (watched[16:0] != 17'h1ffff);
`ifndef INDUCTION
        // Mutants are looked for among few items.
        assume (rank[31:3] == 0 & index[16:2] == 0 & watched[48:20] == 0 & watched[16:2] == 0);
`endif
        // A sweep does not end on a list that was popped since it began.
        assume (!(finish & popped));
        if (started) begin
            // What users of the list rely on.
            least: assert (!(live & head_valid) | head <= watched);
            only_offered_once: assert (!(head_valid & head == watched) | live);
            kept: assert (!live | head_valid | beyond);
            cut: assert (!(live & last_item != 0 & ~watched < last_item) | beyond);
            loose: assert (!(bounded & last_item != 0) | bound_rank >= ~last_item[48:17]);
            counted: assert (head_valid == (count != 0) & count <= 4 & (last_item != 0) == (count == 4));
            if (looked) begin
                look: assert ((shown != 0) == (position_before < count_before));
                look_first: assert (position_before != 0 | shown == first_before);
                look_last: assert (position_before != 3 | shown == last_before);
            end
        end
`ifdef INDUCTION
        if (started) begin
            in_order: assert (sorted);
            looked_at: assert (shown == wanted);
            used_cells: assert (count == used);
            only_live: assert (live | !listed);
            all_live: assert (!live | listed | (bounded & ~watched < bound));
            no_worse: assert (!bounded | within);
            bound_of_full: assert (!bounded | popped | last_item != 0);
            past: assert (!looked | (wanted != 0) == (position_before < count_before));
            past_ends: assert (!looked | ((position_before != 0 | wanted == first_before) & (position_before != 3 | wanted == last_before)));
        end
`endif
        sorted_in: cover (started & count == 3 & live & popped);
        filled_and_cut: cover (started & was_cut & live & beyond & count == 4);
        emptied: cover (started & was_cut & count == 0 & live);
    end
endmodule
