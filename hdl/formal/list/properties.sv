// kvcpu_list, of four: sorted, no item twice, and its head is the best of all that was offered since `clear` and not popped.
//
//   offers ─┬─► dut ──► front       One item, any one, is watched: `live` says whether it was offered since the last
//           └► live                 clear and not popped since. It is in the list, or beyond the bound.
//
// The watched item stands for all: the solver chooses it. The list keeps items inverted; here they are not.

module formal(
    input wire clock,
    input wire reset,
    input wire clear,
    input wire finish,
    input wire pop,
    input wire offer,
    input wire fresh,
    input wire [48:0] item,
    input wire [7:0] position
);
    wire taken;
    wire holding;
    wire there;
    wire [48:0] front;
    wire [48:0] last_item;
    wire [7:0] count;
    wire bounded;
    wire [48:0] bound_item;

    kvcpu_list dut(
        .clock(clock), .reset(reset),
        .clear(clear), .finish(finish), .pop(pop), .offer(offer), .fresh(fresh), .item(~item),
        .taken(taken), .holding(holding),
        .position(position), .there(there), .front(front), .last_item(last_item), .count(count),
        .bounded(bounded), .bound_item(bound_item)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire [4*49-1:0] cells;
    (* keep *) wire [48:0] staged_item;
    (* keep *) wire [7:0] turn;

    (* anyconst *) reg [48:0] watched;
    reg live = 0;
    reg popped = 0;
    reg started = 0;
    reg was_waiting = 0;
    reg [48:0] was_item = 0;
    reg was_fresh = 0;
    // Nothing is on its way, and the head is at the front.
    wire still = !holding & turn == 0;
    wire [48:0] head = ~front;
    wire head_valid = front != 0;

    always @(posedge clock) begin
        started <= 1;
        was_waiting <= offer & !taken & !clear & !reset;
        was_item <= item;
        was_fresh <= fresh;
        if (offer & taken & item == watched) live <= 1;
        if (pop) popped <= 1;
        if (pop & head_valid & head == watched) live <= 0;
        if (reset | clear) begin
            live <= 0;
            popped <= 0;
        end
    end

    // What is in the list, from the head on: the head is so many cells from the first as the item at the front is from the end.
    reg sorted;
    reg in_it;
    reg watched_in;
    reg [7:0] used;
    reg [48:0] at_position;
    integer i;
    function [48:0] place(input [7:0] n);
        // Four cells: the item of place n is in cell n - turn, mod 4.
        place = cells[49*((n - turn) & 3) +: 49];
    endfunction
    always @(*) begin
        sorted = 1;
        in_it = 0;
        watched_in = 0;
        used = 0;
        at_position = place(position);
        for (i = 0; i < 4; i = i + 1) begin
            if (i < 3)
                if (place(i) <= place(i + 1) && place(i + 1) != 0) sorted = 0;
            if (place(i) != 0) used = used + 1;
            if (place(i) == ~item) in_it = 1;
            if (place(i) == ~watched) watched_in = 1;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        // No entry has the highest index: an empty cell looks like it.
        assume (item[16:0] != 17'h1ffff);
        assume (watched[16:0] != 17'h1ffff);
        // The list compares items and does nothing else with them: items that differ in few bits stand for all.
        assume (item[48:19] == 0 & item[16:1] == 0 & watched[48:19] == 0 & watched[16:1] == 0);
        // How the list is used: an offer stands until it is taken, and nothing else happens meanwhile.
        assume (!was_waiting | (offer & item == was_item & fresh == was_fresh));
        assume (!(pop | finish) | (!holding & !offer & !(pop & finish)));
        assume (!pop | (there & position == 0));
        assume (position < 4);
        assume (!clear | !(pop | finish | offer));
        // A fresh item is neither in the list nor on its way to it.
        assume (!(offer & fresh) | (!in_it & !(holding & staged_item == ~item)));
        // A sweep does not end on a list that was popped since it began.
        assume (!(finish & popped));
        if (started) begin
            // What users of the list rely on.
            if (still) begin
                least: assert (!(live & head_valid) | head <= watched);
                only_offered_once: assert (!(head_valid & head == watched) | live);
                last_one: assert ((last_item != 0) == (count == 4));
            end
            if (!holding) begin
                // A bound that a cut has just made comes a clock later.
                kept: assert (!live | watched_in | (bounded & watched >= ~bound_item) | (count == 4 & ~watched < place(3)));
                counted: assert (count == used);
                look: assert (!there | front == at_position);
            end
            turned: assert (turn < 4);
            in_order: assert (sorted);
        end
        sorted_in: cover (started & still & count == 3 & live & popped);
        overflow: cover (started & still & count == 4 & bounded & live);
    end
endmodule
